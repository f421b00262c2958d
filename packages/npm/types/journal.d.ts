export type Entry = {
    database: string;
    version?: number;
    whole?: boolean;
    changes: Change[];
};
export type Change = [store: string | null, method: string, args: unknown[]];
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
export declare class Journal {
    #private;
    path: string;
    /** @param {string} path The file's directory is made if it does not exist. */
    constructor(path: string);
    /**
     * Reads the file. What an interrupted write left at its end is removed: nobody
     * was told that this was written.
     *
     * @returns {Entry[]}
     */
    read(): Entry[];
    /** @param {Entry} entry */
    append(entry: Entry): void;
    /** Whether it is time to start over. */
    isLong(): boolean;
    startOver(): void;
    /**
     * All that one database has, for the new file.
     *
     * @param {Entry} entry
     */
    appendWhole(entry: Entry): void;
    /** The new file is whole: it takes the place of the old one. */
    replace(): void;
    close(): void;
}
