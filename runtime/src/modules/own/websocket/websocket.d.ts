/* jsserve:websocket: WebSockets for an app's fetch, as Deno has them. */

/**
 * Makes a WebSocket of a request, as Deno's does: `response` is to be returned, `socket` is open from its event "open"
 * on. The protocol is one of those that the client offers.
 */
export function upgradeWebSocket(
  request: Request,
  options?: { protocol?: string },
): { socket: WebSocket; response: Response };

declare const ourWebSocket: typeof globalThis.WebSocket;
declare const ourWebSocketPair: typeof globalThis.WebSocketPair;
declare const ourCloseEvent: typeof globalThis.CloseEvent;
export { ourCloseEvent as CloseEvent, ourWebSocket as WebSocket, ourWebSocketPair as WebSocketPair };

declare const all: {
  upgradeWebSocket: typeof upgradeWebSocket;
  WebSocket: typeof globalThis.WebSocket;
  WebSocketPair: typeof globalThis.WebSocketPair;
  CloseEvent: typeof globalThis.CloseEvent;
};
export default all;
