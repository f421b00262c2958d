import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A new directory, which is removed when the tests of this file are over. */
export function folder() {
  const path = mkdtempSync(join(tmpdir(), "matrix-qr-npm-"));
  process.on("exit", () => rmSync(path, { recursive: true, force: true }));
  return path;
}
process.setMaxListeners(0);
