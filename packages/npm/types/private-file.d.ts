/**
 * Opens a file of keys, to read and write it, if nobody but this user could do that before. What is
 * examined is the file that is open, whatever happens to the path meanwhile.
 *
 * @param {string} path
 * @returns {number} The file descriptor.
 */
export declare function openPrivate(path: string): number;
