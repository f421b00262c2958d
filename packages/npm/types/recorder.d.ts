export type Change = import("./journal.js").Change;
export type Recorder = {
    /**
     * Whether this database is recorded.
     */
    records: (database: string) => boolean;
    /**
     *   Told of each transaction that is complete, before anybody else. The version is set if the
     *   transaction changed the database's schema.
     */
    committed: (database: string, version: number | undefined, changes: Change[]) => void;
};
/**
 * Gives Node the global `indexedDB`, that of fake-indexeddb, and records what is done with it.
 *
 * @param {Recorder} recorder
 */
export declare function install(recorder: Recorder): void;
/** @param {any} arg */
export declare function fromPlain(arg: any): any;
