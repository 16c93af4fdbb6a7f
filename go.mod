module github.com/seed88948545/vimage

go 1.26
