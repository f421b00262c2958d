import { createHash } from "node:crypto";
import {
  closeSync, fdatasyncSync, fsyncSync, ftruncateSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync,
} from "node:fs";
import { dirname, resolve } from "node:path";
import { deserialize, serialize } from "node:v8";

import { MatrixQrError } from "./errors.js";
import { lock } from "./lock.js";
import { openPrivate } from "./private-file.js";

const MAGIC = Buffer.from("matrix-qr journal 1\n");
/** The length of an entry (4 bytes, big endian), its complement, and the beginning of its SHA-256. */
const HEADER = 16;
const DIGEST = 8;
/** A file is written anew once it is so much longer than at its beginning, and so long, in bytes. */
const GROWTH = 4;
const LEAST_REWRITTEN = 4 * 1024 * 1024;

/**
 * One transaction. `version` is set if it changed the database's schema, `whole` if it is all that
 * the database has.
 *
 * @typedef {{ database: string, version?: number, whole?: boolean, changes: Change[] }} Entry
 */

/**
 * One change of a database: the object store (or `null` for the database itself), the method, and
 * its arguments.
 *
 * @typedef {[store: string | null, method: string, args: unknown[]]} Change
 */

/**
 * A file of transactions, each of which is whole on the disk or not there. It starts over now and
 * then: a new file, with all that the databases have, takes its place.
 */
export class Journal {
  /** @type {OpenFile | null} `null` until the first file is whole. */
  #current = null;
  /** @type {{ file: OpenFile, has: Set<string> } | null} The file that will take its place. */
  #next = null;
  #unlock;

  /** @param {string} path The file's directory is made if it does not exist. */
  constructor(path) {
    this.path = resolve(path);
    mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 });
    // Two machines on one file would break each other's sessions.
    this.#unlock = lock(`${this.path}.lock`);
  }

  /**
   * Reads the file. What an interrupted write left at its end is removed: nobody
   * was told that this was written.
   *
   * @returns {Entry[]}
   */
  read() {
    const file = (this.#current = new OpenFile(this.#opened()));
    const bytes = file.read();
    if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw this.#damaged();
    const entries = [];
    let end = MAGIC.length;
    for (let found; (found = entryAt(bytes, end)); end = found.end) entries.push(found.entry);
    const rest = bytes.subarray(end);
    if (!isTorn(rest)) throw this.#damaged();
    file.size = file.sizeAtStart = end;
    if (rest.length > 0) file.truncate();
    return entries;
  }

  #opened() {
    try {
      return openPrivate(this.path);
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== "ENOENT") throw error;
      const advice = "If they are lost, sign out (`logout` of the session), and sign in again.";
      throw new MatrixQrError(`there are no keys at ${this.path}`, { advice });
    }
  }

  /** @param {Entry} entry */
  append(entry) {
    const bytes = encoded(entry);
    this.#current?.append(bytes);
    if (this.#next?.has.has(entry.database)) this.#next.file.append(bytes);
  }

  /** Whether it is time to start over. */
  isLong() {
    const file = this.#current;
    return file !== null && this.#next === null && file.size > Math.max(LEAST_REWRITTEN, GROWTH * file.sizeAtStart);
  }

  startOver() {
    rmSync(this.#newPath, { force: true });
    const file = new OpenFile(openSync(this.#newPath, "wx", 0o600));
    file.append(MAGIC);
    this.#next = { file, has: new Set() };
  }

  /**
   * All that one database has, for the new file.
   *
   * @param {Entry} entry
   */
  appendWhole(entry) {
    this.#next?.file.append(encoded(entry));
    this.#next?.has.add(entry.database);
  }

  /** The new file is whole: it takes the place of the old one. */
  replace() {
    const next = this.#next?.file;
    if (!next) return;
    next.sizeAtStart = next.size;
    renameSync(this.#newPath, this.path);
    syncDirectory(dirname(this.path));
    this.#current?.close();
    this.#current = next;
    this.#next = null;
  }

  close() {
    this.#current?.close();
    if (this.#next) {
      this.#next.file.close();
      rmSync(this.#newPath, { force: true });
    }
    this.#current = this.#next = null;
    this.#unlock();
  }

  get #newPath() {
    return `${this.path}.new`;
  }

  #damaged() {
    const advice = "Restore it from a backup only if nothing was sent since then. Otherwise sign out, and sign in again.";
    return new MatrixQrError(`${this.path} is damaged`, { advice });
  }
}

/** A file that is written at its end. */
class OpenFile {
  #fd;
  #broken = false;
  size = 0;
  sizeAtStart = 0;

  /** @param {number} fd */
  constructor(fd) {
    this.#fd = fd;
  }

  /** All that it has. */
  read() {
    return readFileSync(this.#fd);
  }

  /** Returns once the bytes are on the disk. @param {Buffer} bytes */
  append(bytes) {
    // After a failed write the end of the file is unknown: nothing can be added any more.
    if (this.#broken) throw new MatrixQrError("an earlier write to the file of the keys failed");
    this.#broken = true;
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(this.#fd, bytes, done, bytes.length - done, this.size + done);
    }
    fdatasyncSync(this.#fd);
    this.size += bytes.length;
    this.#broken = false;
  }

  truncate() {
    ftruncateSync(this.#fd, this.size);
  }

  close() {
    closeSync(this.#fd);
  }
}

/** @param {Entry} entry */
function encoded(entry) {
  const payload = serialize(entry);
  const header = Buffer.alloc(HEADER);
  header.writeUInt32BE(payload.length);
  header.writeUInt32BE(~payload.length >>> 0, 4);
  digest(payload).copy(header, HEADER - DIGEST);
  return Buffer.concat([header, payload]);
}

/**
 * @param {Buffer} bytes
 * @param {number} start
 * @returns {{ entry: Entry, end: number } | null}
 */
function entryAt(bytes, start) {
  const length = lengthAt(bytes, start);
  if (length === null) return null;
  const end = start + HEADER + length;
  const payload = bytes.subarray(start + HEADER, end);
  const expected = bytes.subarray(start + HEADER - DIGEST, start + HEADER);
  if (end > bytes.length || !digest(payload).equals(expected)) return null;
  return { entry: deserialize(payload), end };
}

/**
 * Whether this may be what an interrupted write left: no whole entry, or bytes that never came.
 *
 * @param {Buffer} rest
 */
function isTorn(rest) {
  if (rest.length < HEADER || rest.every((byte) => byte === 0)) return true;
  const length = lengthAt(rest, 0);
  return length !== null && HEADER + length >= rest.length;
}

/** @param {Buffer} bytes @param {number} start */
function lengthAt(bytes, start) {
  if (bytes.length - start < HEADER) return null;
  const length = bytes.readUInt32BE(start);
  return bytes.readUInt32BE(start + 4) === ~length >>> 0 ? length : null;
}

/** @param {Buffer} payload */
function digest(payload) {
  return createHash("sha256").update(payload).digest().subarray(0, DIGEST);
}

/** @param {string} path */
function syncDirectory(path) {
  if (process.platform === "win32") return;
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
