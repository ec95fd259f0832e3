import { graphql } from 'relay-runtime'

export const query = graphql`
  query ChatListQuery($count: Int!, $cursor: String) {
    me {
      id
      username
    }
    ...ChatList_chats @arguments(count: $count, cursor: $cursor)
  }
`

export const chats = graphql`
  fragment ChatList_chats on Query
  @argumentDefinitions(count: { type: "Int!" }, cursor: { type: "String" })
  @refetchable(queryName: "ChatListPaginationQuery") {
    chats(first: $count, after: $cursor) @connection(key: "ChatList_chats") {
      edges {
        node {
          id
          unreadCount
          otherUser {
            username
          }
          lastMessage {
            message {
              content
              date
            }
          }
        }
      }
    }
  }
`

export const events = graphql`
  subscription ChatListEventsSubscription {
    events {
      id
      operation
      chat {
        id
        unreadCount
        lastMessage {
          message {
            content
            date
          }
        }
      }
    }
  }
`
