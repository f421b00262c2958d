import { indexedDB as memory } from "fake-indexeddb";

import { Journal } from "./journal.js";
import { fromPlain, install } from "./recorder.js";

/** @typedef {import("./journal.js").Change} Change */
/** @typedef {import("./journal.js").Entry} Entry */

/** The open stores by their name. @type {Map<string, DiskStore>} */
const stores = new Map();
let lastName = 0;

/**
 * An IndexedDB for `@matrix-org/matrix-sdk-crypto-wasm` in Node, which has none. The databases are
 * those of `fake-indexeddb`, in memory. Each transaction is written to a file, and synchronized with
 * the disk, before whoever made it learns that it is complete: so a machine never sends anything
 * that it does not remember after a crash. If the file cannot be written, the process ends with that
 * error.
 *
 * The file is not encrypted, and only its owner can read it. One process may have it open.
 */
export class DiskStore {
  /** @type {Journal | null} */
  #journal = null;
  /** @type {Promise<void> | null} */
  #startingOver = null;

  /** A store in memory, until it is saved. */
  constructor() {
    install({ records: (name) => storeOf(name) !== undefined, committed });
    /** For `OlmMachine.initialize`, `StoreHandle.open`, and `cryptoDatabasePrefix` of matrix-js-sdk. */
    this.name = `matrix-qr-${++lastName}`;
    stores.set(this.name, this);
  }

  /**
   * Opens a store that was saved.
   *
   * @param {string} file
   */
  static async open(file) {
    const journal = new Journal(file);
    const store = new DiskStore();
    try {
      for (const entry of journal.read()) await replay(`${store.name}::${entry.database}`, entry);
      store.#journal = journal;
    } catch (error) {
      journal.close();
      await store.close();
      throw error;
    }
    return store;
  }

  /**
   * Writes everything to this file, and from now on each transaction. An older file is replaced.
   *
   * @param {string} file
   */
  async save(file) {
    this.#journal = new Journal(file);
    await this.#startOver(this.#journal);
  }

  /** Ends the use of the file, and frees the memory. Close the machine first. */
  async close() {
    await this.#startingOver;
    stores.delete(this.name);
    this.#journal?.close();
    this.#journal = null;
    for (const name of await this.#databases()) await empty(`${this.name}::${name}`);
  }

  /**
   * A transaction of one of its databases is complete, and nobody knows it yet.
   *
   * @param {Entry} entry
   */
  committed(entry) {
    this.#journal?.append(entry);
    if (!this.#journal?.isLong() || this.#startingOver) return;
    this.#startingOver = this.#startOver(this.#journal).finally(() => (this.#startingOver = null));
  }

  /**
   * Replaces the file by one that has only what the databases have now.
   *
   * @param {Journal} journal
   */
  async #startOver(journal) {
    journal.startOver();
    for (const database of await this.#databases()) {
      await dump(`${this.name}::${database}`, (version, changes) => {
        journal.appendWhole({ database, version, whole: true, changes });
      });
    }
    journal.replace();
  }

  async #databases() {
    const names = (await memory.databases()).map(({ name }) => name ?? "");
    const prefix = `${this.name}::`;
    return names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  }
}

/**
 * Frees the memory of a database. It cannot be deleted: a machine that was closed has it open until
 * all that it has handed out is collected.
 *
 * @param {string} name
 */
async function empty(name) {
  const database = await settled(memory.open(name));
  const stores = [...database.objectStoreNames];
  if (stores.length > 0) {
    const transaction = database.transaction(stores, "readwrite");
    for (const store of stores) transaction.objectStore(store).clear();
    await completed(transaction);
  }
  database.close();
}

/** @param {string} database */
function storeOf(database) {
  return stores.get(database.split("::")[0] ?? "");
}

/** @type {import("./recorder.js").Recorder["committed"]} */
function committed(name, version, changes) {
  const store = storeOf(name);
  const database = name.slice(name.indexOf("::") + 2);
  store?.committed(version === undefined ? { database, changes } : { database, version, changes });
}

/**
 * All that a database has, as changes to an empty one. `done` is called before any other
 * transaction can change the database.
 *
 * @param {string} name
 * @param {(version: number, changes: Change[]) => void} done
 */
async function dump(name, done) {
  const database = await settled(memory.open(name));
  const transaction = database.transaction([...database.objectStoreNames], "readonly");
  /** @type {Change[]} */
  const changes = [];
  for (const name of database.objectStoreNames) {
    const store = transaction.objectStore(name);
    changes.push([null, "createObjectStore", [name]]);
    for (const each of store.indexNames) {
      const { keyPath, unique, multiEntry } = store.index(each);
      changes.push([name, "createIndex", [each, keyPath, { unique, multiEntry }]]);
    }
    const [keys, values] = [store.getAllKeys(), store.getAll()];
    values.onsuccess = () => {
      values.result.forEach((value, i) => changes.push([name, "put", [value, keys.result[i]]]));
    };
  }
  try {
    await completed(transaction, () => done(database.version, changes));
  } finally {
    database.close();
  }
}

/**
 * @param {string} name
 * @param {Entry} entry
 */
async function replay(name, { version, whole, changes }) {
  if (whole) await settled(memory.deleteDatabase(name));
  const request = memory.open(name, version);
  request.onupgradeneeded = () => apply(changes, request.result, /** @type {IDBTransaction} */ (request.transaction));
  const database = await settled(request);
  try {
    if (version !== undefined) return;
    const transaction = database.transaction([...database.objectStoreNames], "readwrite");
    const done = completed(transaction);
    apply(changes, database, transaction);
    await done;
  } finally {
    database.close();
  }
}

/**
 * @param {Change[]} changes
 * @param {IDBDatabase} database
 * @param {IDBTransaction} transaction
 */
function apply(changes, database, transaction) {
  for (const [store, method, args] of changes) {
    const on = /** @type {any} */ (store === null ? database : transaction.objectStore(store));
    on[method](...args.map(fromPlain));
  }
}

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/**
 * @param {IDBTransaction} transaction
 * @param {() => void} [then] Called at that very moment.
 * @returns {Promise<void>}
 */
function completed(transaction, then = () => {}) {
  return new Promise((resolve, reject) => {
    transaction.onabort = () => reject(transaction.error);
    transaction.oncomplete = () => {
      try {
        resolve(then());
      } catch (error) {
        reject(error);
      }
    };
  });
}
