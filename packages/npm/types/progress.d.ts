/**
 * The lines for a person at a terminal. Most events have none: they are there for programs.
 *
 * @param {Record<string, unknown>} event
 * @returns {string[]}
 */
export declare function told(event: Record<string, unknown>): string[];
