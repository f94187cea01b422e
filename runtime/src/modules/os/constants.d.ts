/* The constants that `os` exports for sockets: numbers of their C names (os.d.ts says which are left out). */

// socket(2), listen(2), shutdown(2).
export const AF_INET: number, AF_INET6: number, AF_UNIX: number, SOCK_STREAM: number, SOCK_DGRAM: number;
export const SOCK_RAW: number, SOCK_SEQPACKET: number, SOCK_NONBLOCK: number, SOCK_BLOCK: number;
export const SOL_SOCKET: number, SHUT_RD: number, SHUT_WR: number, SHUT_RDWR: number, SOMAXCONN: number;

// Levels of setsockopt(2), protocols of socket(2).
export const IPPROTO_ICMP: number, IPPROTO_ICMPV6: number, IPPROTO_IP: number, IPPROTO_IPV6: number;
export const IPPROTO_TCP: number, IPPROTO_UDP: number;

// socket(7).
export const SO_ACCEPTCONN: number, SO_BINDTODEVICE: number, SO_BROADCAST: number, SO_BSDCOMPAT: number;
export const SO_BUSY_POLL: number, SO_DEBUG: number, SO_DOMAIN: number, SO_DONTROUTE: number;
export const SO_ERROR: number, SO_INCOMING_CPU: number, SO_INCOMING_NAPI_ID: number, SO_KEEPALIVE: number;
export const SO_LINGER: number, SO_MARK: number, SO_NO_CHECK: number, SO_OOBINLINE: number;
export const SO_PASSCRED: number, SO_PASSSEC: number, SO_PEEK_OFF: number, SO_PEERCRED: number;
export const SO_PRIORITY: number, SO_PROTOCOL: number, SO_RCVBUF: number, SO_RCVBUFFORCE: number;
export const SO_RCVLOWAT: number, SO_RCVTIMEO: number, SO_REUSEADDR: number, SO_REUSEPORT: number;
export const SO_RXQ_OVFL: number, SO_SELECT_ERR_QUEUE: number, SO_SNDBUF: number, SO_SNDBUFFORCE: number;
export const SO_SNDLOWAT: number, SO_SNDTIMEO: number, SO_TIMESTAMP: number, SO_TIMESTAMPNS: number;
export const SO_TYPE: number, SO_ZEROCOPY: number;

// tcp(7).
export const TCP_CONGESTION: number, TCP_CORK: number, TCP_DEFER_ACCEPT: number, TCP_FASTOPEN: number;
export const TCP_FASTOPEN_CONNECT: number, TCP_INFO: number, TCP_KEEPCNT: number, TCP_KEEPIDLE: number;
export const TCP_KEEPINTVL: number, TCP_LINGER2: number, TCP_MAXSEG: number, TCP_NODELAY: number;
export const TCP_NOTSENT_LOWAT: number, TCP_QUICKACK: number, TCP_SYNCNT: number;
export const TCP_USER_TIMEOUT: number, TCP_WINDOW_CLAMP: number;

// udp(7).
export const UDP_CORK: number, UDP_GRO: number, UDP_SEGMENT: number;

// ip(7).
export const IP_ADD_MEMBERSHIP: number, IP_ADD_SOURCE_MEMBERSHIP: number, IP_BIND_ADDRESS_NO_PORT: number;
export const IP_BLOCK_SOURCE: number, IP_DROP_MEMBERSHIP: number, IP_DROP_SOURCE_MEMBERSHIP: number;
export const IP_FREEBIND: number, IP_HDRINCL: number, IP_MTU: number, IP_MTU_DISCOVER: number;
export const IP_MULTICAST_ALL: number, IP_MULTICAST_IF: number, IP_MULTICAST_LOOP: number;
export const IP_MULTICAST_TTL: number, IP_PKTINFO: number, IP_PMTUDISC_DO: number;
export const IP_PMTUDISC_DONT: number, IP_PMTUDISC_PROBE: number, IP_PMTUDISC_WANT: number;
export const IP_RECVERR: number, IP_RECVOPTS: number, IP_RECVORIGDSTADDR: number, IP_RECVTOS: number;
export const IP_RECVTTL: number, IP_TOS: number, IP_TRANSPARENT: number, IP_TTL: number;
export const IP_UNBLOCK_SOURCE: number;

// ipv6(7).
export const IPV6_ADDRFORM: number, IPV6_ADD_MEMBERSHIP: number, IPV6_DROP_MEMBERSHIP: number;
export const IPV6_FREEBIND: number, IPV6_MTU: number, IPV6_MTU_DISCOVER: number;
export const IPV6_MULTICAST_HOPS: number, IPV6_MULTICAST_IF: number, IPV6_MULTICAST_LOOP: number;
export const IPV6_RECVERR: number, IPV6_RECVHOPLIMIT: number, IPV6_RECVPKTINFO: number;
export const IPV6_RECVTCLASS: number, IPV6_TCLASS: number, IPV6_TRANSPARENT: number;
export const IPV6_UNICAST_HOPS: number, IPV6_V6ONLY: number;
