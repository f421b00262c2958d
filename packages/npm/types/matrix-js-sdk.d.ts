/**
 * The options for `createClient` of matrix-js-sdk. Each request has a token that is good: the SDK
 * itself has no refresh token, and cannot end the session by using it.
 *
 * @param {import("./session.js").Session} session
 * @returns {Promise<ClientOptions>}
 */
export declare function clientOptions(session: import("./session.js").Session): Promise<ClientOptions>;
export type ClientOptions = {
    baseUrl: string;
    userId: string;
    deviceId: string;
    accessToken: string;
    fetchFn: typeof fetch;
};
/**
 * @typedef {object} ClientOptions
 * @property {string} baseUrl
 * @property {string} userId
 * @property {string} deviceId
 * @property {string} accessToken
 * @property {typeof fetch} fetchFn
 */
