/**
 * The program `matrix-qr`: the one that is named, the one beside this package, or one on the PATH.
 *
 * @param {string} [named]
 * @returns {string}
 */
export declare function findProgram(named?: string): string;
/**
 * @param {string} name
 * @returns {string | undefined}
 */
export declare function findOnPath(name: string): string | undefined;
