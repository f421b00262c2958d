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
export declare function lock(path: string): () => void;
