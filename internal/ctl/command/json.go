package command

import "encoding/json"

// PrintJSON prints a document and returns 0.
func (e *Env) PrintJSON(doc any) int {
	w := json.NewEncoder(e.Out)
	w.SetIndent("", "  ")
	w.SetEscapeHTML(false)
	if err := w.Encode(doc); err != nil {
		return e.Fail(err)
	}
	return 0
}
