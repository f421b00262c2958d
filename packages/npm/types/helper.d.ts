export type ProgramOptions = {
    /**
     * The path of `matrix-qr`. By default it is looked for beside this
     * package and on the PATH.
     */
    program?: string;
    /**
     * Allows `http` to this machine itself, for tests.
     */
    allowLoopbackHttp?: boolean;
};
export type Answer = (params: Record<string, unknown>, signal: AbortSignal) => unknown;
export type Conversation = {
    answers?: Record<string, Answer>;
    progress?: (event: Record<string, unknown>) => void;
};
/**
 * Which program is run, and how.
 *
 * @typedef {object} ProgramOptions
 * @property {string} [program] The path of `matrix-qr`. By default it is looked for beside this
 *   package and on the PATH.
 * @property {boolean} [allowLoopbackHttp] Allows `http` to this machine itself, for tests.
 */
/**
 * Answers one request of the helper. The signal is aborted when the answer is not needed any more.
 *
 * @typedef {(params: Record<string, unknown>, signal: AbortSignal) => unknown} Answer
 */
/**
 * What the program does for the helper: its answers by method, and where progress goes.
 *
 * @typedef {object} Conversation
 * @property {Record<string, Answer>} [answers]
 * @property {(event: Record<string, unknown>) => void} [progress]
 */
/**
 * The process `matrix-qr helper`, and the conversation with it: JSON-RPC 2.0, one object a line.
 */
export declare class Helper {
    #private;
    /**
     * @private
     * @param {ProgramOptions} options
     * @param {Conversation} conversation
     */
    private constructor();
    /**
     * Starts the helper and agrees with it on the protocol.
     *
     * @param {ProgramOptions} options
     * @param {Conversation} [conversation]
     */
    static start(options: ProgramOptions, conversation?: Conversation): Promise<Helper>;
    /**
     * @param {string} method
     * @param {Record<string, unknown>} params
     * @returns {Promise<unknown>}
     */
    request(method: string, params: Record<string, unknown>): Promise<unknown>;
    /** Ends the conversation. A sign-in that is running is cancelled; resolves when that is done. */
    close(): Promise<void>;
}
