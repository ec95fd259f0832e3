"""A client that follows a user's events, with gql 4 and its websockets transport."""

import json

from gql import Client, gql
from gql.transport.exceptions import TransportClosed, TransportConnectionFailed
from gql.transport.websockets import WebsocketsTransport
from websockets.exceptions import ConnectionClosed

LOGIN = gql(
    """mutation ($username: String!, $password: String!) {
      login(username: $username, password: $password) { token refreshToken }
    }"""
)
REFRESH = gql("mutation ($token: String!) { refreshToken(refreshToken: $token) { token refreshToken } }")
EVENTS = gql(
    """subscription ($after: String) {
      events(after: $after) { id cursor operation chatMessage { message { content } } }
    }"""
)


def connect(url, token=None):
    """Returns a client of the WebSocket at url (ws:// or wss://), which takes queries and mutations too."""
    return Client(
        transport=WebsocketsTransport(
            url=url,
            init_payload={"token": token} if token else {},
            subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
        )
    )


class Login:
    """An access token, and the refresh token that gets the next pair."""

    def __init__(self, url, tokens):
        self.url = url
        self.tokens = tokens

    @classmethod
    async def of(cls, url, username, password):
        async with connect(url) as session:
            result = await session.execute(LOGIN, variable_values={"username": username, "password": password})
        return cls(url, result["login"])

    @property
    def token(self):
        return self.tokens["token"]

    async def refresh(self):
        async with connect(self.url) as session:
            result = await session.execute(REFRESH, variable_values={"token": self.tokens["refreshToken"]})
        self.tokens = result["refreshToken"]  # the one before is spent: store these


async def events(login, after=None):
    """Yields the events of a user for ever. It refreshes an expired login, and resumes from the last event."""
    while True:
        try:
            async with connect(login.url, login.token) as session:
                async for result in session.subscribe(EVENTS, variable_values={"after": after}):
                    after = result["events"]["cursor"]
                    yield result["events"]
        except (TransportClosed, TransportConnectionFailed, ConnectionClosed) as closed:
            if not expired(closed):
                raise
            await login.refresh()


def expired(error):
    """Says whether the server closed the socket because the login ended: with 4403."""
    while error is not None:
        received = getattr(error, "rcvd", None)
        if received is not None:
            return received.code == 4403
        error = error.__cause__
    return False
