export type Change = import("./journal.js").Change;
export type Entry = import("./journal.js").Entry;
/**
 * An IndexedDB for `@matrix-org/matrix-sdk-crypto-wasm` in Node, which has none. The databases are
 * those of `fake-indexeddb`, in memory. Each transaction is written to a file, and synchronized with
 * the disk, before whoever made it learns that it is complete: so a machine never sends anything
 * that it does not remember after a crash. If the file cannot be written, the process ends with that
 * error.
 *
 * The file is not encrypted, and only its owner can read it. One process may have it open.
 */
export declare class DiskStore {
    #private;
    /** For `OlmMachine.initialize`, `StoreHandle.open`, and `cryptoDatabasePrefix` of matrix-js-sdk. */
    name: string;
    /** A store in memory, until it is saved. */
    constructor();
    /**
     * Opens a store that was saved.
     *
     * @param {string} file
     */
    static open(file: string): Promise<DiskStore>;
    /**
     * Writes everything to this file, and from now on each transaction. An older file is replaced.
     *
     * @param {string} file
     */
    save(file: string): Promise<void>;
    /** Ends the use of the file, and frees the memory. Close the machine first. */
    close(): Promise<void>;
    /**
     * A transaction of one of its databases is complete, and nobody knows it yet.
     *
     * @param {Entry} entry
     */
    committed(entry: Entry): void;
}
