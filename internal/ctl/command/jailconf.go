package command

import (
	"fmt"
	"strings"
)

// jailBlock is a jail of a jail.conf(5), with its parameters as they are written on a
// command line.
type jailBlock struct {
	name   string
	params []string
}

// confWord is a word of such a file, or one of the marks ; = += , { and }.
type confWord struct {
	text string
	mark bool
	line int
}

const confMarks = ";=,{}"

// confWords takes a file apart.
func confWords(text string) (all []confWord, err error) {
	line := 1
	take := func(n int) string {
		s := text[:n]
		text = text[n:]
		line += strings.Count(s, "\n")
		return s
	}
	for text != "" {
		at := line
		switch c := text[0]; {
		case strings.ContainsRune(" \t\r\n", rune(c)):
			take(1)
		case c == '#', strings.HasPrefix(text, "//"):
			take(strings.IndexByte(text+"\n", '\n'))
		case strings.HasPrefix(text, "/*"):
			n := strings.Index(text[2:], "*/")
			if n < 0 {
				return nil, fmt.Errorf("%d: a comment is not closed", at)
			}
			take(n + 4)
		case c == '"' || c == '\'':
			n := strings.IndexByte(text[1:], c)
			if n < 0 {
				return nil, fmt.Errorf("%d: a quote is not closed", at)
			}
			all = append(all, confWord{take(n + 2)[1 : n+1], false, at})
		case strings.HasPrefix(text, "+="):
			all = append(all, confWord{take(2), true, at})
		case strings.IndexByte(confMarks, c) >= 0:
			all = append(all, confWord{take(1), true, at})
		default:
			all = append(all, confWord{take(wordLen(text)), false, at})
		}
	}
	return all, nil
}

// wordLen returns how long the word is that text begins with. ${name} is part of one.
func wordLen(text string) int {
	for n := 0; n < len(text); n++ {
		if strings.HasPrefix(text[n:], "${") {
			if end := strings.IndexByte(text[n:], '}'); end > 0 {
				n += end
				continue
			}
		}
		if strings.IndexByte(confMarks+" \t\r\n\"'#", text[n]) >= 0 || n > 0 && strings.HasPrefix(text[n:], "+=") {
			return n
		}
	}
	return len(text)
}

// readJailConf reads a jail.conf: parameters outside of braces are those of all jails
// that follow, and $name is the name of the jail.
func readJailConf(text string) ([]jailBlock, error) {
	words, err := confWords(text)
	if err != nil {
		return nil, err
	}
	var all []jailBlock
	var common, inside []string
	name, open := "", false
	for len(words) > 0 {
		first := words[0]
		switch {
		case open && first.mark && first.text == "}":
			all = append(all, jailBlock{name, named(name, append([]string{"name=" + name}, inside...))})
			open, words = false, words[1:]
			continue
		case first.mark:
			return nil, fmt.Errorf("%d: %q where a name should be", first.line, first.text)
		case !open && len(words) > 1 && words[1].mark && words[1].text == "{":
			name, open, words = first.text, true, words[2:]
			inside = append([]string(nil), common...)
			continue
		}
		to := &common
		if open {
			to = &inside
		}
		if words, err = confStatement(to, words); err != nil {
			return nil, err
		}
	}
	if open {
		return nil, fmt.Errorf("the braces of %s are not closed", name)
	}
	return all, nil
}

func named(name string, params []string) []string {
	r := strings.NewReplacer("${name}", name, "$name", name)
	for i := range params {
		params[i] = r.Replace(params[i])
	}
	return params
}

// confStatement reads a parameter up to its semicolon, and adds it to params.
func confStatement(params *[]string, words []confWord) ([]confWord, error) {
	name, line := words[0].text, words[0].line
	end := 1
	for end < len(words) && !(words[end].mark && words[end].text == ";") {
		end++
	}
	if end == len(words) {
		return nil, fmt.Errorf("%d: no ; behind %s", line, name)
	}
	body, rest := words[1:end], words[end+1:]
	if len(body) == 0 {
		*params = append(*params, name)
		return rest, nil
	}
	how := body[0]
	var values []string
	for i, w := range body[1:] {
		if w.mark != (i%2 == 1) || w.mark && w.text != "," {
			return nil, fmt.Errorf("%d: %q in the value of %s: separate values by commas, and put what has blanks into quotes", w.line, w.text, name)
		}
		if !w.mark {
			values = append(values, w.text)
		}
	}
	if !how.mark || how.text != "=" && how.text != "+=" || len(values) == 0 {
		return nil, fmt.Errorf("%d: write %s = value;", line, name)
	}
	if how.text == "+=" {
		for i := range *params {
			if old, ok := strings.CutPrefix((*params)[i], name+"="); ok {
				values = append([]string{old}, values...)
				*params = append((*params)[:i:i], (*params)[i+1:]...)
				break
			}
		}
	}
	*params = append(*params, name+"="+strings.Join(values, ","))
	return rest, nil
}
