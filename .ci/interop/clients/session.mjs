// A login that is kept alive. All clients of a page share one.
export class Session {
  #refreshing

  constructor(url, { token, refreshToken }) {
    this.url = url
    this.token = token
    this.refreshToken = refreshToken
  }

  static async login(url, username, password) {
    const { login } = await post(
      url,
      `mutation ($username: String!, $password: String!) {
        login(username: $username, password: $password) { token refreshToken }
      }`,
      { username, password },
    )
    return new Session(url, login)
  }

  // refresh gets the next pair of tokens. Calls at the same time share one request.
  refresh() {
    this.#refreshing ??= this.#rotate().finally(() => { this.#refreshing = undefined })
    return this.#refreshing
  }

  async #rotate() {
    const { refreshToken: next } = await post(
      this.url,
      `mutation ($token: String!) { refreshToken(refreshToken: $token) { token refreshToken } }`,
      { token: this.refreshToken },
    )
    this.token = next.token
    this.refreshToken = next.refreshToken // the one before is spent: store this one
  }
}

async function post(url, query, variables) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  })
  const { data, errors } = await response.json()
  if (errors) throw new Error(errors[0].message, { cause: errors })
  return data
}
