package syn

// FastCookieLen is the length of the Fast Open cookies we give out, in bytes
// (RFC 7413 §4.1.1 allows 4 to 16).
const FastCookieLen = 8
