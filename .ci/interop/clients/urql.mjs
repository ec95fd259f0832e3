import { cacheExchange, Client, fetchExchange, mapExchange, subscriptionExchange } from '@urql/core'
import { authExchange } from '@urql/exchange-auth'
import { persistedExchange } from '@urql/exchange-persisted'

export function urqlClient(url, session, socket, options) {
  let expired = false
  return new Client({
    url,
    preferGetMethod: false,
    exchanges: [
      cacheExchange,
      mapExchange({
        // A query that needs no login is answered as to nobody, with word that the token expired.
        onResult: ({ extensions }) => {
          if (extensions?.authentication) expired = true
        },
      }),
      authExchange(async (utils) => ({
        addAuthToOperation: (operation) =>
          utils.appendHeaders(operation, { Authorization: `Bearer ${session.token}` }),
        willAuthError: () => expired,
        didAuthError: ({ graphQLErrors }) =>
          graphQLErrors.some(({ extensions }) => extensions?.code === 'UNAUTHENTICATED'),
        refreshAuth: async () => {
          await session.refresh()
          expired = false
        },
      })),
      persistedExchange({ preferGetForPersistedQueries: false }),
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: ({ query, variables }) => ({
          // The client of the section on graphql-ws.
          subscribe: (sink) => ({ unsubscribe: socket.subscribe({ query, variables }, sink) }),
        }),
      }),
    ],
    ...options,
  })
}
