import { Session } from "./session.js";
export { MatrixQrError } from "./errors.js";
export { AccountSecrets, NewDevice } from "./keys.js";
export { terminalPerson } from "./person.js";
export { AccessToken, Session } from "./session.js";
export { harmless } from "./text.js";
export type ProgramOptions = import("./helper.js").ProgramOptions;
export type Keys = import("./keys.js").Keys;
export type SecretKeys = import("./keys.js").SecretKeys;
export type BackupKey = import("./keys.js").BackupKey;
export type Json = import("./keys.js").Json;
export type Person = import("./person.js").Person;
export type ShownCode = import("./person.js").ShownCode;
export type ConsentLink = import("./person.js").ConsentLink;
export type MeetingOptions = {
    /**
     * The directory of the session.
     */
    directory: string;
    /**
     * Whoever holds the device's keys. By default an encryption store for
     * matrix-sdk in the directory, which JavaScript cannot open.
     */
    keys?: Keys;
    /**
     * What that store is encrypted with.
     */
    passphrase?: string;
    /**
     * Who is asked. By default the person at this terminal.
     */
    person?: Person;
    /**
     * Whether the other device shows the code: the person is then asked for it
     * (`scanCode`). By default this device shows one.
     */
    scan?: boolean;
    /**
     * The URL of the rendezvous server.
     */
    rendezvous?: string;
    revision?: "msc4108" | "msc4388" | "newest";
    dialect?: "as-deployed" | "as-written";
    /**
     * Cancels the sign-in: the other device is told, and a new device
     * is signed out again. The promise is rejected when that is done.
     */
    signal?: AbortSignal;
};
export type NewDeviceOptions = {
    /**
     * `example.org`, or its base URL.
     */
    homeserver?: string;
    /**
     * `@bot:example.org`: names the homeserver too, and refuses every other account.
     */
    user?: string;
    /**
     * The name of the device in the account.
     */
    deviceName?: string;
    /**
     * The OAuth client ID of a client that is registered already.
     */
    clientId?: string;
};
export type SignInOptions = MeetingOptions & NewDeviceOptions & ProgramOptions;
export type GrantOptions = MeetingOptions & {
    announce?: "base-url" | "server-name";
    requireBoundDevice?: boolean;
} & ProgramOptions;
export type SignedIn = {
    userId: string;
    deviceId: string;
    /**
     * The base URL of the homeserver.
     */
    homeserver: string;
    /**
     * The account's public master key.
     */
    masterKey: string;
    /**
     * Whether the device can read the account's key backup.
     */
    backupConnected: boolean;
    /**
     * Why it cannot.
     */
    backupProblem: string | null;
    session: Session;
};
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
export declare function signIn(options: SignInOptions): Promise<SignedIn>;
/**
 * Signs in another device, with the help of this one. First the person is asked whether that device is
 * theirs (`confirmOwnDevice`): whoever has it can read all messages of the account and act as its user.
 * Only after a yes is a code shown or asked for.
 *
 * @param {GrantOptions} options
 * @returns {Promise<{ userId: string, deviceId: string, bound: boolean, verified: boolean, tooLateToCancel: boolean }>}
 */
export declare function grant(options: GrantOptions): Promise<{
    userId: string;
    deviceId: string;
    bound: boolean;
    verified: boolean;
    tooLateToCancel: boolean;
}>;
