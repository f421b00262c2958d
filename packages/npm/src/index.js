import { existsSync } from "node:fs";
import { join } from "node:path";

import { MatrixQrError } from "./errors.js";
import { Helper } from "./helper.js";
import { keysAnswers } from "./keys.js";
import { terminalPerson } from "./person.js";
import { Session } from "./session.js";
import { shaped } from "./shape.js";

export { MatrixQrError } from "./errors.js";
export { AccountSecrets, NewDevice } from "./keys.js";
export { terminalPerson } from "./person.js";
export { AccessToken, Session } from "./session.js";
export { harmless } from "./text.js";

/** @typedef {import("./helper.js").ProgramOptions} ProgramOptions */
/** @typedef {import("./keys.js").Keys} Keys */
/** @typedef {import("./keys.js").SecretKeys} SecretKeys */
/** @typedef {import("./keys.js").BackupKey} BackupKey */
/** @typedef {import("./keys.js").Json} Json */
/** @typedef {import("./person.js").Person} Person */
/** @typedef {import("./person.js").ShownCode} ShownCode */
/** @typedef {import("./person.js").ConsentLink} ConsentLink */

/**
 * What `signIn` and `grant` have in common.
 *
 * @typedef {object} MeetingOptions
 * @property {string} directory The directory of the session.
 * @property {Keys} [keys] Whoever holds the device's keys. By default an encryption store for
 *   matrix-sdk in the directory, which JavaScript cannot open.
 * @property {string} [passphrase] What that store is encrypted with.
 * @property {Person} [person] Who is asked. By default the person at this terminal.
 * @property {boolean} [scan] Whether the other device shows the code: the person is then asked for it
 *   (`scanCode`). By default this device shows one.
 * @property {string} [rendezvous] The URL of the rendezvous server.
 * @property {"msc4108" | "msc4388" | "newest"} [revision]
 * @property {"as-deployed" | "as-written"} [dialect]
 * @property {AbortSignal} [signal] Cancels the sign-in: the other device is told, and a new device
 *   is signed out again. The promise is rejected when that is done.
 */

/**
 * @typedef {object} NewDeviceOptions
 * @property {string} [homeserver] `example.org`, or its base URL.
 * @property {string} [user] `@bot:example.org`: names the homeserver too, and refuses every other account.
 * @property {string} [deviceName] The name of the device in the account.
 * @property {string} [clientId] The OAuth client ID of a client that is registered already.
 */

/** @typedef {MeetingOptions & NewDeviceOptions & ProgramOptions} SignInOptions */
/** @typedef {MeetingOptions & { announce?: "base-url" | "server-name", requireBoundDevice?: boolean } & ProgramOptions} GrantOptions */

/**
 * The device that was signed in.
 *
 * @typedef {object} SignedIn
 * @property {string} userId
 * @property {string} deviceId
 * @property {string} homeserver The base URL of the homeserver.
 * @property {string} masterKey The account's public master key.
 * @property {boolean} backupConnected Whether the device can read the account's key backup.
 * @property {string | null} backupProblem Why it cannot.
 * @property {Session} session
 */

/**
 * Signs in a new device, with the help of one that is signed in. Give `scan`, or at least one of
 * `homeserver`, `user` and `rendezvous`.
 *
 * @param {SignInOptions} options
 * @returns {Promise<SignedIn>}
 */
export async function signIn(options) {
  const params = {
    ...meeting(options), homeserver: options.homeserver, user: options.user,
    device_name: options.deviceName, client_id: options.clientId,
  };
  const result = await converse("login", params, options).catch(async (error) => {
    // The helper may have died when everything was done: then the device has a session, and its keys.
    if (!existsSync(join(options.directory, "session.json"))) await options.keys?.discard?.();
    throw error;
  });
  const { backup, ...found } = shaped(result, {
    user_id: "string", device_id: "string", homeserver: "string", master_key: "string", backup: "object",
  });
  const { connected } = shaped(backup, { connected: "boolean" });
  return {
    userId: found.user_id,
    deviceId: found.device_id,
    homeserver: found.homeserver,
    masterKey: found.master_key,
    backupConnected: connected,
    backupProblem: connected ? null : shaped(backup, { why: "string" }).why,
    session: new Session(options.directory, options),
  };
}

/**
 * Signs in another device, with the help of this one. First the person is asked whether that device is
 * theirs (`confirmOwnDevice`): whoever has it can read all messages of the account and act as its user.
 * Only after a yes is a code shown or asked for.
 *
 * @param {GrantOptions} options
 * @returns {Promise<{ userId: string, deviceId: string, bound: boolean, verified: boolean, tooLateToCancel: boolean }>}
 */
export async function grant(options) {
  const params = {
    ...meeting(options), announce: options.announce, require_bound_device: options.requireBoundDevice,
  };
  const result = shaped(await converse("link", params, options), {
    user_id: "string", device_id: "string", bound: "boolean", verified: "boolean", too_late_to_cancel: "boolean",
  });
  return {
    userId: result.user_id,
    deviceId: result.device_id,
    bound: result.bound,
    verified: result.verified,
    tooLateToCancel: result.too_late_to_cancel,
  };
}

/** @param {MeetingOptions} options */
function meeting({ directory, keys, passphrase, scan, rendezvous, revision, dialect }) {
  return { directory, keys: keys ? "caller" : "store", passphrase, scan, rendezvous, revision, dialect };
}

/**
 * One sign-in, from the start of the helper to its end.
 *
 * @param {"login" | "link"} method
 * @param {Record<string, unknown>} params
 * @param {MeetingOptions & ProgramOptions} options
 */
async function converse(method, params, options) {
  const { person = terminalPerson(), keys, signal } = options;
  const answers = { ...personAnswers(person), ...(keys ? keysAnswers(keys) : {}) };
  refuseIfAborted(signal);
  const helper = await Helper.start(options, { answers, progress: (event) => person.progress?.(event) });
  // The answer to the sign-in itself says how it ended, so the one to `cancel` is not needed.
  const cancel = () => void helper.request("cancel", {}).catch(() => {});
  signal?.addEventListener("abort", cancel, { once: true });
  try {
    refuseIfAborted(signal);
    return await helper.request(method, params);
  } finally {
    signal?.removeEventListener("abort", cancel);
    await helper.close();
  }
}

/** @param {AbortSignal | undefined} signal */
function refuseIfAborted(signal) {
  if (signal?.aborted) throw new MatrixQrError("cancelled before anything was started", { code: 3 });
}

/**
 * The answers of this person to the helper.
 *
 * @param {Person} person
 * @returns {Record<string, import("./helper.js").Answer>}
 */
function personAnswers(person) {
  return {
    async confirm_own_device(params, signal) {
      return { confirmed: await person.confirmOwnDevice(shaped(params, { warning: "string" }).warning, signal) };
    },
    async scan_code(params, signal) {
      return { code: await person.scanCode(shaped(params, { problem: "string?" }).problem, signal) };
    },
    async show_code(params, signal) {
      await person.showCode(shaped(params, { code: "string", drawing: "string", svg: "string" }), signal);
    },
    async show_check_code(params, signal) {
      await person.showCheckCode(shaped(params, { digits: "string" }).digits, signal);
    },
    async enter_check_code(_, signal) {
      return { digits: await person.enterCheckCode(signal) };
    },
    async open_link(params, signal) {
      const page = shaped(params, { link: "string", host: "string" });
      const { warning } = params["warning"] === null ? { warning: null } : shaped(params, { warning: "string" });
      return { opened: await person.openLink({ ...page, warning }, signal) };
    },
    async confirm_user(params, signal) {
      return { confirmed: await person.confirmUser(shaped(params, { user_id: "string" }).user_id, signal) };
    },
  };
}
