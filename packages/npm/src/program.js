import { accessSync, constants, statSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";

import { MatrixQrError } from "./errors.js";

const NAME = process.platform === "win32" ? "matrix-qr.exe" : "matrix-qr";

/**
 * The program `matrix-qr`: the one that is named, the one beside this package, or one on the PATH.
 *
 * @param {string} [named]
 * @returns {string}
 */
export function findProgram(named) {
  if (named !== undefined) return named;
  const beside = fileURLToPath(new URL(`../bin/${NAME}`, import.meta.url));
  const found = isProgram(beside) ? beside : findOnPath(NAME);
  if (found) return found;
  throw new MatrixQrError("the program `matrix-qr` was not found", {
    cause: `it is neither at ${beside} nor on the PATH`,
    advice: "Install it (https://github.com/matrix-qr/matrix-qr#install), or name it: { program: \"/path/to/matrix-qr\" }.",
  });
}

/**
 * @param {string} name
 * @returns {string | undefined}
 */
export function findOnPath(name) {
  // An entry that is empty or relative would mean a directory to which anybody may have written.
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter(isAbsolute);
  return folders.map((folder) => join(folder, name)).find(isProgram);
}

/** @param {string} path */
function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
