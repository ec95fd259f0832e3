import relay from 'relay-runtime'

const { Environment, Network, Observable, RecordSource, Store } = relay

export function relayEnvironment(url, session, socket) {
  const send = async (text, variables) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${session.token}` },
      body: JSON.stringify({ query: text, variables }),
    })
    return response.json()
  }
  const loginEnded = ({ errors, extensions }) =>
    extensions?.authentication !== undefined || errors?.some((e) => e.extensions?.code === 'UNAUTHENTICATED')
  const fetchOnce = async ({ text }, variables) => {
    const result = await send(text, variables)
    if (!loginEnded(result)) return result
    await session.refresh()
    return send(text, variables)
  }
  // The client of the section on graphql-ws.
  const subscribe = ({ text }, variables) =>
    Observable.create((sink) => socket.subscribe({ query: text, variables }, sink))
  return new Environment({ network: Network.create(fetchOnce, subscribe), store: new Store(new RecordSource()) })
}
