import { socketClient } from './graphql-ws.mjs'
import { Session } from './session.mjs'

// follow logs in, and calls show for each event of the user from then on, for as long as the page is open.
export async function follow(url, username, password, show, options) {
  const session = await Session.login(url, username, password)
  const socket = socketClient(url.replace(/^http/, 'ws'), session, options)
  for await (const { data } of socket.iterate({ query: 'subscription { events { id operation chat { id } } }' })) {
    show(data.events)
  }
}
