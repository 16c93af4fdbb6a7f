// Package policy holds the rules of this module's code as tests: who may import
// whom, what the packet path must not use, no package-level mutable variable,
// sizes, comments, and what tunables and statistics look like. They read the
// sources themselves; each rule is also given a source that breaks it, to prove
// that it can fail.
//
// The import rules are one table, in rules_test.go. A new package needs a line
// there, with the reason.
package policy
