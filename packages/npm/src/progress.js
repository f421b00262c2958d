import { harmless } from "./text.js";

/**
 * What a person is told of a step, by the name of its event.
 *
 * @type {Record<string, string>}
 */
const STEPS = {
  cleared: "An earlier sign-in was interrupted here. Its device and its files were removed.",
  connected: "The other device has connected.",
  confirmed: "The connection is secure.",
  device_found: "The homeserver lists the new device.",
  keys_uploaded: "This device is verified.",
  too_late: "The keys were sent already: checking on the new device.",
  verified: "The new device is verified.",
};

/**
 * The lines for a person at a terminal. Most events have none: they are there for programs.
 *
 * @param {Record<string, unknown>} event
 * @returns {string[]}
 */
export function told(event) {
  /** @param {string} name */
  const text = (name) => harmless(String(event[name]));
  const name = String(event["event"]);
  switch (name) {
    case "user_code":
      return [
        ...(event["warning"] ? [`Warning: ${text("warning")}`] : []),
        `If the page asks for a code, enter: ${text("user_code")}`,
      ];
    case "backup":
      return event["connected"] === false ? [`Warning: the key backup is not used: ${text("why")}.`] : [];
    case "trouble":
    case "warning":
      return [`Warning: ${text("what")}.`];
    case "left_behind":
      return [`Warning: this is left behind: ${text("what")}. ${event["advice"] ? text("advice") : "Please remove it yourself."}`];
    default:
      return Object.hasOwn(STEPS, name) ? [String(STEPS[name])] : [];
  }
}
