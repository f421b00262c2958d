import { closeSync, constants, fstatSync, openSync } from "node:fs";

import { MatrixQrError } from "./errors.js";

/**
 * Opens a file of keys, to read and write it, if nobody but this user could do that before. What is
 * examined is the file that is open, whatever happens to the path meanwhile.
 *
 * @param {string} path
 * @returns {number} The file descriptor.
 */
export function openPrivate(path) {
  const fd = open(path);
  try {
    checkOwner(fd, path);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** @param {string} path */
function open(path) {
  const { O_NOFOLLOW, O_NONBLOCK, O_RDWR } = constants;
  try {
    // A pipe with this name keeps nobody waiting.
    return openSync(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== "ELOOP") throw error;
    throw new MatrixQrError(`${path} is a symbolic link`, { advice: "Name the file to which it points." });
  }
}

/** @param {number} fd @param {string} path */
function checkOwner(fd, path) {
  const found = fstatSync(fd);
  if (!found.isFile()) throw new MatrixQrError(`${path} is not a file`);
  const user = process.geteuid?.();
  if (found.uid !== user) {
    const advice = "Run this program as the user to whom the keys belong.";
    throw new MatrixQrError(`${path} belongs to user ${found.uid}, and this is user ${user}`, { advice });
  }
  const mode = found.mode & 0o777;
  if (mode & 0o077) {
    const advice = `Run \`chmod 600 ${path}\`. If somebody may have read it, sign this device out, and sign in again.`;
    const text = `other users have access to ${path} (mode ${mode.toString(8)}), and so to this device's keys`;
    throw new MatrixQrError(text, { advice });
  }
}
