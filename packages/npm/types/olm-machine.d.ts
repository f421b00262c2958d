import { OlmMachine } from "@matrix-org/matrix-sdk-crypto-wasm";
export { DiskStore } from "./disk-store.js";
export { receiveSync, sendEncrypted, sendRequests } from "./olm-requests.js";
export type Json = import("./keys.js").Json;
export type Keys = import("./keys.js").Keys;
/** @typedef {import("./keys.js").Json} Json */
/** @typedef {import("./keys.js").Keys} Keys */
/**
 * The keys of a device, held by an `OlmMachine` of `@matrix-org/matrix-sdk-crypto-wasm`, on disk.
 *
 * @implements {Keys}
 */
export declare class OlmKeys implements Keys {
    #private;
    file: string;
    /**
     * @param {string} file Where the keys are stored: a file outside the directory of the session. It
     *   is not encrypted, and only its owner can read it. There are others beside it, with longer names.
     */
    constructor(file: string);
    /**
     * Opens what an earlier sign-in stored.
     *
     * @param {string} file
     * @param {{ userId: string, deviceId: string }} device An `AccessToken` has both.
     */
    static open(file: string, { userId, deviceId }: {
        userId: string;
        deviceId: string;
    }): Promise<OlmKeys>;
    /** There is one after `signIn`, or `open`. */
    get machine(): OlmMachine;
    /**
     * The machine's own `/keys/upload` request. It is sent by the sign-in, with the account's signature.
     *
     * @param {string} userId
     * @param {string} deviceId
     * @returns {Promise<Json>}
     */
    deviceKeys(userId: string, deviceId: string): Promise<Json>;
    /** @param {import("./keys.js").NewDevice} device */
    keep(device: import("./keys.js").NewDevice): Promise<void>;
    /** The sign-in failed: nothing of its device stays. Keys of an earlier one do, until then. */
    discard(): Promise<void>;
    /** @returns {Promise<import("./keys.js").SecretKeys>} */
    secrets(): Promise<import("./keys.js").SecretKeys>;
    /** @param {Json[]} roomKeys */
    roomKeys(roomKeys: Json[]): Promise<void>;
    /**
     * Fetches the keys of old messages from the key backup. Call it at each start: it does nothing
     * once that has succeeded.
     *
     * @param {import("./session.js").Session} session
     * @returns {Promise<{ keys: number, undecryptable: number, outdated: string | null } | null>} `null`
     *   if it was done, or the device does not have the key of the backup.
     */
    restoreOnce(session: import("./session.js").Session): Promise<{
        keys: number;
        undecryptable: number;
        outdated: string | null;
    } | null>;
    /** Ends the use of the file. The machine cannot be used afterwards. */
    close(): Promise<void>;
    /** Removes the keys, after the session was ended. */
    remove(): Promise<void>;
}
/**
 * Whether the machine itself finds its device signed by the account's identity, whose private keys
 * it has.
 *
 * @param {OlmMachine} machine
 * @returns {Promise<boolean>}
 */
export declare function isVerified(machine: OlmMachine): Promise<boolean>;
