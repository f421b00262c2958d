import * as fake from "fake-indexeddb";

import { MatrixQrError } from "./errors.js";

/** @typedef {import("./journal.js").Change} Change */

/**
 * @typedef {object} Recorder
 * @property {(database: string) => boolean} records Whether this database is recorded.
 * @property {(database: string, version: number | undefined, changes: Change[]) => void} committed
 *   Told of each transaction that is complete, before anybody else. The version is set if the
 *   transaction changed the database's schema.
 */

/** What the transactions that are not complete yet have changed. @type {WeakMap<object, Change[]>} */
const changesOf = new WeakMap();
/** The transactions that change a schema, by database. @type {WeakMap<object, object>} */
const upgrades = new WeakMap();
let installed = false;

/**
 * Gives Node the global `indexedDB`, that of fake-indexeddb, and records what is done with it.
 *
 * @param {Recorder} recorder
 */
export function install(recorder) {
  const globals = /** @type {Record<string, unknown>} */ (/** @type {unknown} */ (globalThis));
  if (globals["indexedDB"] !== undefined && globals["indexedDB"] !== fake.indexedDB) {
    throw new MatrixQrError("there is an `indexedDB` already, and it is not that of fake-indexeddb", { code: 2 });
  }
  for (const [name, value] of Object.entries(fake)) {
    if (!/^(IDB|indexedDB$)/.test(name)) continue;
    Object.defineProperty(globals, name, { value, configurable: true, writable: true });
  }
  if (!installed) record(recorder);
  installed = true;
}

/** @param {Recorder} recorder */
function record(recorder) {
  const { IDBDatabase, IDBObjectStore, IDBCursor } = fake;
  after(IDBDatabase, "transaction", (database, _, transaction) => {
    if (transaction.mode !== "readonly" && recorder.records(database.name)) watch(database, transaction, recorder);
  });
  /** @type {(database: any, change: Change) => void} */
  const note = (database, change) => {
    if (!recorder.records(database.name)) return;
    const changes = changesOf.get(upgrades.get(database) ?? {});
    // Rather no keys than keys that are not on the disk.
    if (!changes) throw new MatrixQrError("this version of fake-indexeddb cannot be recorded", { code: 2 });
    changes.push(change);
  };
  after(IDBDatabase, "createObjectStore", (database, args) => {
    // The one place where keys that are part of a value, or counted, would have to be handled.
    if (args.length > 1 && recorder.records(database.name)) {
      throw new MatrixQrError("an object store with options cannot be recorded", { code: 2 });
    }
    note(database, [null, "createObjectStore", args]);
  });
  after(IDBDatabase, "deleteObjectStore", (database, args) => note(database, [null, "deleteObjectStore", args]));
  for (const method of ["createIndex", "deleteIndex"]) {
    after(IDBObjectStore, method, (store, args) => note(store.transaction.db, [store.name, method, args]));
  }
  for (const method of ["put", "add"]) {
    after(IDBObjectStore, method, (store, [value], request) => {
      noteSuccess(store, request, [structuredClone(value)], "put");
    });
  }
  after(IDBObjectStore, "delete", (store, args, request) => noteSuccess(store, request, args.map(toPlain), "delete"));
  after(IDBObjectStore, "clear", (store, _, request) => noteSuccess(store, request, [], "clear"));
  after(IDBCursor, "update", (cursor, [value], request) => {
    noteSuccess(storeOf(cursor), request, [structuredClone(value)], "put");
  });
  after(IDBCursor, "delete", (cursor, _, request) => {
    noteSuccess(storeOf(cursor), request, [cursor.primaryKey], "delete");
  });
}

/**
 * Calls `also` after each call of this method.
 *
 * @param {{ prototype: any }} type
 * @param {string} method
 * @param {(self: any, args: any[], result: any) => void} also
 */
function after({ prototype }, method, also) {
  const original = prototype[method];
  prototype[method] = function (/** @type {any[]} */ ...args) {
    const result = original.apply(this, args);
    also(this, args, result);
    return result;
  };
}

/** @param {any} database @param {any} transaction @param {Recorder} recorder */
function watch(database, transaction, recorder) {
  /** @type {Change[]} */
  const changes = [];
  changesOf.set(transaction, changes);
  const upgrade = transaction.mode === "versionchange";
  if (upgrade) upgrades.set(database, transaction);
  // This is the first listener: whoever made the transaction has not even seen it yet.
  transaction.addEventListener("complete", (/** @type {Event} */ event) => {
    try {
      if (upgrade) recorder.committed(database.name, database.version, changes);
      else if (changes.length > 0) recorder.committed(database.name, undefined, changes);
    } catch (error) {
      // Nobody may learn that it is complete. The error ends the process, as it comes from an event.
      event.stopImmediatePropagation();
      throw error;
    }
  });
}

/**
 * A request that fails changes nothing, and may not even end its transaction.
 *
 * @param {any} store
 * @param {any} request
 * @param {unknown[]} args
 * @param {"put" | "delete" | "clear"} method
 */
function noteSuccess(store, request, args, method) {
  request.addEventListener("success", () => {
    changesOf.get(store.transaction)?.push([store.name, method, method === "put" ? [...args, request.result] : args]);
  });
}

/** @param {any} cursor */
function storeOf(cursor) {
  return cursor.source.objectStore ?? cursor.source;
}

/** A key range does not survive `v8.serialize`. @param {unknown} key */
function toPlain(key) {
  if (!(key instanceof fake.IDBKeyRange)) return key;
  return { range: [key.lower, key.upper, key.lowerOpen, key.upperOpen] };
}

/** @param {any} arg */
export function fromPlain(arg) {
  const [lower, upper, lowerOpen, upperOpen] = arg?.range ?? [];
  if (!arg?.range) return arg;
  if (lower === undefined) return fake.IDBKeyRange.upperBound(upper, upperOpen);
  if (upper === undefined) return fake.IDBKeyRange.lowerBound(lower, lowerOpen);
  return fake.IDBKeyRange.bound(lower, upper, lowerOpen, upperOpen);
}
