import { createClient } from 'graphql-ws'

// socketClient returns a client that stays connected: it refreshes an expired login, and resumes from the newest
// event that it received. Have one subscription of events on it, which gets every event of the user: a second one
// that lags would be resumed from where the first was.
export function socketClient(url, session, options) {
  let expired = false
  let cursor
  return createClient({
    url,
    connectionParams: async () => {
      if (expired) {
        await session.refresh()
        expired = false
      }
      return { token: session.token, after: cursor }
    },
    on: {
      message: ({ type, payload }) => {
        if (type === 'next') cursor = payload.extensions?.cursor ?? payload.cursor ?? cursor
      },
      closed: ({ code }) => {
        if (code === 4403) expired = true // the login ended: refresh it before the next connection
      },
    },
    retryAttempts: Infinity,
    shouldRetry: () => true,
    ...options,
  })
}
