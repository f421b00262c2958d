export type OlmMachine = import("@matrix-org/matrix-sdk-crypto-wasm").OlmMachine;
export type Session = import("./session.js").Session;
export type Json = import("./keys.js").Json;
/** @typedef {import("@matrix-org/matrix-sdk-crypto-wasm").OlmMachine} OlmMachine */
/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("./keys.js").Json} Json */
/**
 * Sends all requests that the machine wants to send, among them new room keys for the key backup.
 * Call it after each sync.
 *
 * @param {Session} session
 * @param {OlmMachine} machine
 */
export declare function sendRequests(session: Session, machine: OlmMachine): Promise<void>;
/**
 * Gives the machine what it needs of the answer to a `/sync`: its messages, device lists and counts.
 *
 * @param {OlmMachine} machine
 * @param {Json} sync
 */
export declare function receiveSync(machine: OlmMachine, sync: Json): Promise<void>;
/**
 * Sends an encrypted event to all devices of the room's members. One call at a time.
 *
 * @param {Session} session
 * @param {OlmMachine} machine
 * @param {string} room
 * @param {string} type
 * @param {Json} content
 * @returns {Promise<string>} The event's ID.
 */
export declare function sendEncrypted(session: Session, machine: OlmMachine, room: string, type: string, content: Json): Promise<string>;
