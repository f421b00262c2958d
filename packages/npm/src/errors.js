import { harmless } from "./text.js";

/**
 * Why something failed, what caused it, and what to do now. Its texts can be printed: they have no
 * control characters, although servers may have written parts of them.
 */
export class MatrixQrError extends Error {
  /**
   * @param {string} message
   * @param {{ code?: number, cause?: unknown, advice?: string | null, deviceLeft?: string | null }} [about]
   */
  constructor(message, { code = 1, cause = null, advice = null, deviceLeft = null } = {}) {
    super(harmless(message));
    /** @override */
    this.name = "MatrixQrError";
    /**
     * The exit code that the command would have: 1 this machine, 2 wrong usage, 3 cancelled here,
     * 4 declined, 5 timed out, 6 no usable code, 7 a security check failed, 8 the homeserver, 9 the
     * network, 10 this device cannot do it. A mistake in the conversation has a negative code.
     * @type {number}
     */
    this.code = code;
    /**
     * What caused it: a text, or the error that your own code threw.
     * @override
     * @type {unknown}
     */
    this.cause = typeof cause === "string" ? harmless(cause) : cause;
    /**
     * What to do now.
     * @type {string | null}
     */
    this.advice = advice === null ? null : harmless(advice);
    /**
     * The ID of a device that may still be in the account: remove it there by hand.
     * @type {string | null}
     */
    this.deviceLeft = deviceLeft === null ? null : harmless(deviceLeft);
  }
}
