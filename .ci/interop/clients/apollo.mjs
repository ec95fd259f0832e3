import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from '@apollo/client'
import { SetContextLink } from '@apollo/client/link/context'
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries'
import { GraphQLWsLink } from '@apollo/client/link/subscriptions'
import { relayStylePagination } from '@apollo/client/utilities'
import { OperationTypeNode } from 'graphql'
import { concatMap, from, of } from 'rxjs'

export function apolloClient(url, session, socket, options) {
  // The access token expired: get the next one, and run the operation once more.
  const refresh = new ApolloLink((operation, forward) =>
    forward(operation).pipe(
      concatMap((result) =>
        loginEnded(result) ? from(session.refresh()).pipe(concatMap(() => forward(operation))) : of(result),
      ),
    ),
  )
  const authorize = new SetContextLink(({ headers }) => ({
    headers: { ...headers, authorization: `Bearer ${session.token}` },
  }))
  const http = ApolloLink.from([
    refresh,
    authorize,
    new PersistedQueryLink({ sha256 }), // the server answers PersistedQueryNotSupported, and the link sends whole queries
    new HttpLink({ uri: url, ...options }),
  ])
  return new ApolloClient({
    link: ApolloLink.split(
      ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
      new GraphQLWsLink(socket), // the client of the section before
      http,
    ),
    cache: new InMemoryCache({ typePolicies }),
  })
}

function loginEnded({ errors, extensions }) {
  return extensions?.authentication !== undefined || errors?.some((e) => e.extensions?.code === 'UNAUTHENTICATED')
}

// Every list is a Relay connection: select edges, cursors and pageInfo, and fetchMore with after: endCursor.
const typePolicies = {
  Query: {
    fields: {
      users: relayStylePagination(['username', 'firstName', 'lastName', 'search']),
      chats: relayStylePagination(['archived']),
      groups: relayStylePagination(['isArchived']),
      notifications: relayStylePagination(['isRead']),
    },
  },
  Chat: { fields: { chatMessages: relayStylePagination() } },
  UserGroupMemberCopy: { fields: { groupMessages: relayStylePagination() } },
  UserGroup: { fields: { members: relayStylePagination() } },
  GroupMessage: { fields: { readBy: relayStylePagination() } },
}

async function sha256(text) {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
