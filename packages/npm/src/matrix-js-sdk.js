/**
 * The options for `createClient` of matrix-js-sdk. Each request has a token that is good: the SDK
 * itself has no refresh token, and cannot end the session by using it.
 *
 * @param {import("./session.js").Session} session
 * @returns {Promise<ClientOptions>}
 */
export async function clientOptions(session) {
  const { token, homeserver, userId, deviceId } = await session.accessToken({ goodFor: 10 });
  return {
    baseUrl: homeserver,
    userId,
    deviceId,
    accessToken: token,
    async fetchFn(input, init) {
      const request = new Request(input, init);
      // Some requests are for everybody, or for another server.
      const ours = request.headers.has("Authorization") && request.url.startsWith(homeserver);
      return ours ? session.fetch(request.url, init) : fetch(request);
    },
  };
}

/**
 * @typedef {object} ClientOptions
 * @property {string} baseUrl
 * @property {string} userId
 * @property {string} deviceId
 * @property {string} accessToken
 * @property {typeof fetch} fetchFn
 */
