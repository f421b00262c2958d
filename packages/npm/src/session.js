import { MatrixQrError } from "./errors.js";
import { Helper } from "./helper.js";
import { keysAnswers } from "./keys.js";
import { shaped } from "./shape.js";
import { harmless } from "./text.js";

/**
 * An access token, and whose it is. The token is not printed.
 */
export class AccessToken {
  #token;

  /**
   * @param {string} token
   * @param {{ expiresAt: number | null, userId: string, deviceId: string, homeserver: string }} about
   */
  constructor(token, { expiresAt, userId, deviceId, homeserver }) {
    this.#token = token;
    /** When it ends, in seconds since 1970 by this machine's clock, or `null` if the server does not say. */
    this.expiresAt = expiresAt;
    this.userId = userId;
    this.deviceId = deviceId;
    /** The base URL of the homeserver. */
    this.homeserver = homeserver;
  }

  get token() {
    return this.#token;
  }

  /** @param {number} seconds */
  isGoodFor(seconds) {
    return this.expiresAt === null || this.expiresAt - Date.now() / 1000 >= seconds;
  }
}

/**
 * The session of a device that is signed in. Its refresh token stays in the directory, which only
 * `matrix-qr` reads and writes.
 */
export class Session {
  #options;
  /** @type {AccessToken | null} */
  #last = null;
  /** @type {Map<number, Promise<AccessToken>>} */
  #asking = new Map();

  /**
   * @param {string} directory
   * @param {import("./helper.js").ProgramOptions} [options]
   */
  constructor(directory, options = {}) {
    this.directory = directory;
    this.#options = options;
  }

  /**
   * An access token that is good for at least so many seconds. It is refreshed where that is needed.
   *
   * @param {{ goodFor?: number }} [options]
   * @returns {Promise<AccessToken>}
   */
  async accessToken({ goodFor = 60 } = {}) {
    if (this.#last?.isGoodFor(goodFor)) return this.#last;
    let asking = this.#asking.get(goodFor);
    if (!asking) {
      asking = this.#ask(goodFor).finally(() => this.#asking.delete(goodFor));
      this.#asking.set(goodFor, asking);
    }
    return asking;
  }

  /**
   * `fetch` as this device: with its access token, refreshed where that is needed.
   *
   * @param {string | URL} path A path of the homeserver, such as `/_matrix/client/v3/sync`, or a URL on it.
   * @param {RequestInit & { goodFor?: number }} [init]
   *   `goodFor`: how long the token must still be good for at the start, in seconds.
   * @returns {Promise<Response>}
   */
  async fetch(path, { goodFor = 10, ...init } = {}) {
    const held = await this.accessToken({ goodFor });
    const response = await send(held, path, init);
    if (response.status !== 401) return response;
    // It ended before its time. A token that has really ended is not handed out again.
    if (this.#last === held) this.#last = null;
    const next = await this.accessToken({ goodFor });
    return next.token === held.token ? response : send(next, path, init);
  }

  /**
   * A request with JSON in both directions. An answer other than 2xx is an error.
   *
   * @param {string} method
   * @param {string} path As in `fetch`.
   * @param {string | Record<string, unknown>} [body] An object, or JSON.
   * @param {RequestInit & { goodFor?: number }} [init]
   * @returns {Promise<any>}
   */
  async request(method, path, body, init = {}) {
    const json = typeof body === "object" ? JSON.stringify(body) : body;
    const headers = { "Content-Type": "application/json" };
    const response = await this.fetch(path, { headers, ...init, method, ...(json !== undefined && { body: json }) });
    const answer = await response.json().catch(() => ({}));
    if (response.ok) return answer;
    const cause = [response.status, answer?.errcode, answer?.error].filter(Boolean).join(" ");
    throw new MatrixQrError(`the homeserver refused ${method} ${path.split("?")[0]}`, { code: 8, cause });
  }

  /**
   * Fetches the keys of old messages from the key backup, and hands them to the device's keys.
   *
   * @param {{ keys?: import("./keys.js").Keys, passphrase?: string }} [options] As in `signIn`.
   * @returns {Promise<{ keys: number, undecryptable: number, outdated: string | null }>}
   */
  async restoreKeys({ keys, passphrase } = {}) {
    const params = { directory: this.directory, keys: keys ? "caller" : "store", passphrase };
    const result = await this.#helped("restore_keys", params, keys ? keysAnswers(keys) : {});
    return shaped(result, { keys: "number", undecryptable: "number", outdated: "string?" });
  }

  /**
   * Ends the session on the server, and removes the files of the directory. Keys of your own that
   * are elsewhere are yours to remove.
   *
   * A session that has ended on the server (code 10) cannot be ended again. `local` removes the files
   * without contacting a server.
   *
   * @param {{ local?: boolean }} [options]
   * @returns {Promise<{ userId: string | null, deviceId: string | null, removeIt: string | null }>} Whose it
   *   was; `null` if an interrupted sign-in left the directory. `removeIt`: after a local logout, where the
   *   device can be removed from the account, where it may still be (the end of a sentence).
   */
  async logout({ local } = {}) {
    this.#last = null;
    const result = await this.#helped("logout", { directory: this.directory, local });
    const { user_id, device_id, remove_it } = shaped(result, { user_id: "string?", device_id: "string?", remove_it: "string?" });
    return { userId: user_id, deviceId: device_id, removeIt: remove_it && harmless(remove_it) };
  }

  /** @param {number} goodFor */
  async #ask(goodFor) {
    const result = await this.#helped("token", { directory: this.directory, good_for: goodFor });
    const { access_token, expires_at, user_id, device_id, homeserver } = shaped(result, {
      access_token: "string", expires_at: "number?", user_id: "string", device_id: "string", homeserver: "string",
    });
    this.#last = new AccessToken(access_token, { expiresAt: expires_at, userId: user_id, deviceId: device_id, homeserver });
    return this.#last;
  }

  /**
   * @param {string} method
   * @param {Record<string, unknown>} params
   * @param {Record<string, import("./helper.js").Answer>} [answers]
   */
  async #helped(method, params, answers) {
    const helper = await Helper.start(this.#options, { answers });
    try {
      return await helper.request(method, params);
    } finally {
      await helper.close();
    }
  }
}

/**
 * @param {AccessToken} held
 * @param {string | URL} path
 * @param {RequestInit} init
 */
function send(held, path, init) {
  const url = new URL(path, held.homeserver);
  // The token is the homeserver's alone.
  if (url.origin !== new URL(held.homeserver).origin) throw new TypeError("this URL is not on the homeserver");
  const headers = new Headers(init.headers);
  headers.set("Authorization", `Bearer ${held.token}`);
  return fetch(url, { ...init, headers });
}
