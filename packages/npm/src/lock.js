import { spawnSync } from "node:child_process";
import { closeSync, constants, fstatSync, openSync, rmSync, statSync } from "node:fs";

import { MatrixQrError } from "./errors.js";
import { findOnPath } from "./program.js";

/** On macOS, `open` itself can take the lock of `flock`. Node has no name for that flag. */
const O_EXLOCK = 0x20;
const ON_MACOS = process.platform === "darwin";
/** Where `flock` finds the file. */
const THIRD = 3;

/**
 * Locks a file, which is made for that, or refuses because somebody else has locked it.
 *
 * This is the lock of the operating system, `flock`. It ends with the process, however that ends, and
 * it keeps out processes of other containers too. The ID of the owner in a file would not do: it may
 * be that of another process by now, means nothing in another container, and two that find its owner
 * gone would both take its place. A Unix socket in the directory would need a short path, and rules
 * for who may remove a dead one. Node itself has no `flock`; but the program `flock` locks the open
 * file that it inherits, which is ours, and stays locked until we close it.
 *
 * @param {string} path
 * @returns {() => void} Unlocks it, and removes the file.
 */
export function lock(path) {
  const { O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDWR } = constants;
  const flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | (ON_MACOS ? O_EXLOCK : 0);
  for (;;) {
    const fd = open(path, flags);
    try {
      if (!ON_MACOS) flock(fd, path);
      if (isStillThere(fd, path)) {
        return () => {
          rmSync(path, { force: true });
          closeSync(fd);
        };
      }
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    // Its owner removed it after we had opened it: the next one will lock another file.
    closeSync(fd);
  }
}

/** @param {string} path @param {number} flags */
function open(path, flags) {
  try {
    return openSync(path, flags, 0o600);
  } catch (error) {
    throw /** @type {NodeJS.ErrnoException} */ (error).code === "EAGAIN" ? inUse(path) : error;
  }
}

/** @param {number} fd @param {string} path */
function flock(fd, path) {
  const program = findOnPath("flock");
  if (!program) {
    const advice = "Install util-linux.";
    throw new MatrixQrError("the program `flock` is not on the PATH, and keys on disk need it", { advice });
  }
  const stdio = /** @type {import("node:child_process").StdioOptions} */ (["ignore", "ignore", "pipe", fd]);
  const { status, stderr, error } = spawnSync(program, ["-x", "-n", String(THIRD)], { stdio, encoding: "utf8" });
  if (status === 0) return;
  // It says why it fails, except when somebody else has the lock.
  if (status === 1 && stderr === "") throw inUse(path);
  throw new MatrixQrError(`${path} cannot be locked`, { cause: error?.message ?? stderr.trim() });
}

/** @param {number} fd @param {string} path */
function isStillThere(fd, path) {
  const ours = fstatSync(fd);
  const found = statSync(path, { throwIfNoEntry: false });
  return found?.ino === ours.ino && found.dev === ours.dev;
}

/** @param {string} path */
function inUse(path) {
  const advice = "Use it in one place at a time: close it there, or end that process.";
  return new MatrixQrError(`${path} is locked: these keys are in use, here or in another process`, { advice });
}
