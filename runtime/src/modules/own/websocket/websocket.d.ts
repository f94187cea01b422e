/* jsserve:websocket: WebSockets for an app's fetch, as Deno has them. */

declare module "jsserve:websocket" {
  /**
   * Makes a WebSocket of a request, as Deno's does: `response` is to be returned, `socket` is open from its event "open"
   * on. The protocol is one of those that the client offers.
   */
  export function upgradeWebSocket(
    request: Request,
    options?: { protocol?: string },
  ): { socket: WebSocket; response: Response };
  export const WebSocket: typeof globalThis.WebSocket;
  export const WebSocketPair: typeof globalThis.WebSocketPair;
  export const CloseEvent: typeof globalThis.CloseEvent;
  const all: {
    upgradeWebSocket: typeof upgradeWebSocket;
    WebSocket: typeof globalThis.WebSocket;
    WebSocketPair: typeof globalThis.WebSocketPair;
    CloseEvent: typeof globalThis.CloseEvent;
  };
  export default all;
}
