import { spawn } from "node:child_process";

import { MatrixQrError } from "./errors.js";
import { isRecord, shaped } from "./shape.js";
import { findProgram } from "./program.js";

/** The longest line, in bytes, that either side may send. */
const LONGEST_LINE = 1024 * 1024;
const TOO_LONG = "a line of more than 1 MiB";
/** The helper cleans up within 60 seconds after its standard input has ended. In milliseconds. */
const LONGEST_END = 65_000;

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
export class Helper {
  #child;
  /** @type {Conversation} */
  #conversation;
  /** @type {Map<unknown, { resolve: (result: unknown) => void, reject: (error: unknown) => void }>} */
  #waiting = new Map();
  /** @type {Map<unknown, AbortController>} */
  #questions = new Map();
  #lastId = 0;
  #buffer = Buffer.alloc(0);
  /** @type {MatrixQrError | null} Why the conversation is over. */
  #over = null;
  /** @type {unknown} What our own side threw when it was asked something. */
  #ownError = null;
  /** The device that is being signed in, once it has asked for its keys. @type {string | null} */
  #device = null;
  /** @type {Promise<void>} */
  #ended;

  /**
   * @private
   * @param {ProgramOptions} options
   * @param {Conversation} conversation
   */
  constructor(options, conversation) {
    this.#conversation = conversation;
    const program = findProgram(options.program);
    const args = options.allowLoopbackHttp ? ["helper", "--allow-loopback-http"] : ["helper"];
    // A process group of its own: Ctrl-C reaches only our side, and the helper still cleans up.
    const detached = process.platform !== "win32";
    this.#child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"], detached, windowsHide: true });
    this.#ended = this.#watch(program);
  }

  /**
   * Starts the helper and agrees with it on the protocol.
   *
   * @param {ProgramOptions} options
   * @param {Conversation} [conversation]
   */
  static async start(options, conversation = {}) {
    const helper = new Helper(options, conversation);
    try {
      const hello = await helper.request("initialize", { protocol: 1 });
      if (shaped(hello, { protocol: "number" })["protocol"] !== 1) throw notOurs("another protocol");
    } catch (error) {
      await helper.close();
      throw error;
    }
    return helper;
  }

  /**
   * @param {string} method
   * @param {Record<string, unknown>} params
   * @returns {Promise<unknown>}
   */
  request(method, params) {
    return new Promise((resolve, reject) => {
      if (this.#over) return reject(this.#over);
      const id = ++this.#lastId;
      this.#waiting.set(id, { resolve, reject });
      this.#send({ id, method, params });
    });
  }

  /** Ends the conversation. A sign-in that is running is cancelled; resolves when that is done. */
  async close() {
    this.#finish(new MatrixQrError("the conversation with the helper is over"));
    await this.#ended;
  }

  /**
   * @param {string} program
   * @returns {Promise<void>}
   */
  #watch(program) {
    const child = this.#child;
    child.stdout.on("data", (/** @type {Buffer} */ bytes) => this.#read(bytes));
    // The helper's end is reported by `close`, with its reason.
    child.stdin.on("error", () => {});
    return new Promise((resolve) => {
      child.on("error", (error) => {
        const advice = "Check that it is the program `matrix-qr`, and that you may run it.";
        this.#finish(new MatrixQrError(`${program} could not be started`, { cause: error.message, advice }));
        resolve();
      });
      child.on("close", (code, signal) => {
        const cause = signal ? `signal ${signal}` : `exit code ${code}`;
        const advice = "Its standard error may say why. If a sign-in was running, the account may have a device that is not verified: "
          + "sign in again in the same directory, which first removes it, or remove it by hand.";
        this.#finish(new MatrixQrError("the helper ended without an answer", { cause, advice, deviceLeft: this.#device }));
        resolve();
      });
    });
  }

  /** @param {Buffer} bytes */
  #read(bytes) {
    this.#buffer = Buffer.concat([this.#buffer, bytes]);
    for (let end; !this.#over && (end = this.#buffer.indexOf(0x0a)) >= 0; ) {
      const line = this.#buffer.subarray(0, end);
      this.#buffer = this.#buffer.subarray(end + 1);
      if (line.length > LONGEST_LINE) return this.#finish(notOurs(TOO_LONG));
      if (line.length > 0) this.#receive(line);
    }
    if (this.#buffer.length > LONGEST_LINE) this.#finish(notOurs(TOO_LONG));
  }

  /** @param {Buffer} line */
  #receive(line) {
    let message;
    try {
      message = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(line));
    } catch {
      return this.#finish(notOurs("a line that is not JSON"));
    }
    if (!isRecord(message)) return this.#finish(notOurs("a line that is not an object"));
    const { id, method } = message;
    if (typeof method !== "string") return this.#settle(id, message);
    const params = message["params"] ?? {};
    if (!isRecord(params)) return this.#finish(notOurs("parameters that are not an object"));
    if (id === undefined) return this.#notice(method, params);
    if (method === "device_keys") this.#device = textOf(params["device_id"]);
    if (this.#questions.has(id)) return this.#finish(notOurs("two requests with one id"));
    void this.#answer(id, method, params);
  }

  /**
   * @param {unknown} id
   * @param {Record<string, unknown>} message
   */
  #settle(id, message) {
    // The helper could not read one of our lines, and does not say which.
    if (id === null && message["error"] !== undefined) return this.#finish(this.#errorFrom(message["error"]));
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (!waiting) return this.#finish(notOurs("an answer that nobody waits for"));
    if (message["error"] !== undefined) return waiting.reject(this.#errorFrom(message["error"]));
    if (!("result" in message)) return this.#finish(notOurs("neither a result nor an error"), waiting);
    waiting.resolve(message["result"]);
  }

  /**
   * @param {string} method
   * @param {Record<string, unknown>} params
   */
  #notice(method, params) {
    if (method === "cancel_request") this.#questions.get(params["id"])?.abort();
    if (method !== "progress") return;
    try {
      this.#conversation.progress?.(params);
    } catch (error) {
      // Progress is told, not asked: an error there must not end the sign-in half way.
      queueMicrotask(() => process.emitWarning(error instanceof Error ? error : String(error)));
    }
  }

  /**
   * @param {unknown} id
   * @param {string} method
   * @param {Record<string, unknown>} params
   */
  async #answer(id, method, params) {
    const answers = this.#conversation.answers ?? {};
    const answer = Object.hasOwn(answers, method) ? answers[method] : undefined;
    if (!answer) return this.#send({ id, error: { code: -32601, message: "no such method" } });
    const question = new AbortController();
    this.#questions.set(id, question);
    let reply;
    try {
      reply = { id, result: (await answer(params, question.signal)) ?? null };
    } catch (error) {
      // The text of our own error may have anything in it: it stays on our side.
      if (!question.signal.aborted) this.#ownError ??= error;
      reply = { id, error: { code: -32000, message: "the program could not answer" } };
    }
    this.#questions.delete(id);
    if (!question.signal.aborted) this.#send(reply);
  }

  /** @param {Record<string, unknown>} message */
  #send(message) {
    if (this.#over) return;
    const line = JSON.stringify({ jsonrpc: "2.0", ...message });
    if (Buffer.byteLength(line) > LONGEST_LINE) {
      return this.#finish(new MatrixQrError("a message of more than 1 MiB cannot be sent to the helper", { code: 2 }));
    }
    this.#child.stdin.write(`${line}\n`);
  }

  /**
   * Ends the conversation once, for this reason: all that wait for an answer get it.
   *
   * @param {MatrixQrError} reason
   * @param {{ reject: (error: unknown) => void }} [waiting]
   */
  #finish(reason, waiting) {
    waiting?.reject(reason);
    if (this.#over) return;
    this.#over = reason;
    for (const { reject } of this.#waiting.values()) reject(reason);
    this.#waiting.clear();
    for (const question of this.#questions.values()) question.abort();
    this.#child.stdin.end();
    const end = setTimeout(() => this.#child.kill("SIGKILL"), LONGEST_END);
    void this.#ended.then(() => clearTimeout(end));
  }

  /** @param {unknown} error */
  #errorFrom(error) {
    if (!isRecord(error) || typeof error["code"] !== "number" || typeof error["message"] !== "string") {
      return notOurs("an error without a code or a message");
    }
    const data = isRecord(error["data"]) ? error["data"] : {};
    return new MatrixQrError(error["message"], {
      code: error["code"],
      cause: this.#ownError ?? textOf(data["cause"]),
      advice: textOf(data["advice"]),
      deviceLeft: textOf(data["device_left"]),
    });
  }
}

/** @param {unknown} value */
function textOf(value) {
  return typeof value === "string" ? value : null;
}

/** @param {string} cause */
function notOurs(cause) {
  const advice = "Check that `program` is a `matrix-qr` whose version fits this package.";
  return new MatrixQrError("the helper does not speak the protocol of this package", { cause, advice });
}
