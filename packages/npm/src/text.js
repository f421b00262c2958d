/**
 * Text that others wrote (a server, another device, the author of a message), for a terminal or a
 * log: one line, without characters that steer a terminal or turn the text around. Each of them
 * becomes U+FFFD.
 *
 * @param {string} text
 */
export function harmless(text) {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "\ufffd");
}
