// The calculator over REST or JSON-RPC, served by net/http of Go's standard library.
//
//	server rest|jsonrpc [--listen=HOST:PORT] [--work=sleep:SECONDS|compute:SECONDS] [--end-with-input]
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const maxBodyBytes = 64 << 20

// The names of the parameters of each method.
var methods = map[string][]string{
	"add": {"x", "y"}, "multiply": {"x", "y"}, "subtract": {"x", "y"}, "divide": {"x", "y"}, "hello": {"name"},
}

// failure is a kind of error of the contract, with a message for people.
type failure struct {
	kind, detail string
	code         int
}

func fail(kind, detail string) *failure { return &failure{kind: kind, detail: detail} }

// call returns the result of a method. The parameters are an array or an object.
func call(name string, params json.RawMessage) (json.RawMessage, *failure) {
	names, known := methods[name]
	if !known {
		return nil, fail("unknown-method", name)
	}
	values, failed := arguments(names, params)
	if failed != nil {
		return nil, failed
	}
	work()
	if name == "hello" {
		var text string
		if values[0] == nil || values[0][0] != '"' || json.Unmarshal(values[0], &text) != nil {
			return nil, fail("invalid-arguments", "hello takes a string")
		}
		result, _ := json.Marshal("hello, " + text)
		return result, nil
	}
	x, okX := number(values[0])
	y, okY := number(values[1])
	if !okX || !okY {
		return nil, fail("invalid-arguments", name+" takes numbers")
	}
	if x.whole != nil && y.whole != nil {
		return ofIntegers(name, x.whole, y.whole)
	}
	return ofFloats(name, x.float, y.float)
}

// arguments returns the values in the order of the names.
func arguments(names []string, params json.RawMessage) ([]json.RawMessage, *failure) {
	wrong := fail("invalid-arguments", "expected "+strings.Join(names, " and "))
	var values []json.RawMessage
	if json.Unmarshal(params, &values) == nil {
		if len(values) != len(names) {
			return nil, wrong
		}
		return values, nil
	}
	var named map[string]json.RawMessage
	if json.Unmarshal(params, &named) != nil {
		return nil, fail("malformed", "expected an array or an object")
	}
	for _, name := range names {
		values = append(values, named[name])
		if named[name] == nil {
			return nil, wrong
		}
	}
	if len(named) != len(names) {
		return nil, wrong
	}
	return values, nil
}

// operand is an integer, or a float if whole is absent.
type operand struct {
	whole *big.Int
	float float64
}

// number reads a JSON number. It is an integer unless it has a point or an exponent.
func number(text json.RawMessage) (operand, bool) {
	var number json.Number
	if len(text) == 0 || text[0] == '"' || json.Unmarshal(text, &number) != nil || number == "" {
		return operand{}, false
	}
	float, err := number.Float64()
	if err != nil {
		return operand{}, false
	}
	if strings.ContainsAny(number.String(), ".eE") {
		return operand{float: float}, true
	}
	whole, ok := new(big.Int).SetString(number.String(), 10)
	return operand{whole, float}, ok
}

func ofIntegers(name string, x, y *big.Int) (json.RawMessage, *failure) {
	result := new(big.Int)
	switch name {
	case "add":
		result.Add(x, y)
	case "multiply":
		result.Mul(x, y)
	case "subtract":
		result.Abs(result.Sub(x, y))
	default:
		if y.Sign() == 0 {
			return nil, fail("zero-division", "integer division by zero")
		}
		// Rounded down: Div rounds such that the remainder is not negative, which differs for negative divisors.
		remainder := new(big.Int)
		result.QuoRem(x, y, remainder)
		if remainder.Sign() != 0 && remainder.Sign() != y.Sign() {
			result.Sub(result, big.NewInt(1))
		}
	}
	if !result.IsInt64() {
		return nil, fail("overflow", "the result has more than 64 bits")
	}
	return json.RawMessage(result.String()), nil
}

func ofFloats(name string, x, y float64) (json.RawMessage, *failure) {
	var result float64
	switch name {
	case "add":
		result = x + y
	case "multiply":
		result = x * y
	case "subtract":
		result = math.Abs(x - y)
	default:
		if y == 0 {
			return nil, fail("zero-division", "float division by zero")
		}
		result = x / y
	}
	if math.IsInf(result, 0) || math.IsNaN(result) {
		return nil, fail("not-representable", "JSON has neither infinity nor NaN")
	}
	text := strconv.FormatFloat(result, 'g', -1, 64)
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	return json.RawMessage(text), nil
}

// rest answers POST /METHOD with the arguments as an object.
func rest(path string, body []byte) (int, any) {
	if !json.Valid(body) {
		return http.StatusBadRequest, problem(fail("malformed", "not JSON"))
	}
	result, failed := call(strings.TrimPrefix(path, "/"), body)
	if failed == nil {
		return http.StatusOK, map[string]any{"result": result}
	}
	status, known := map[string]int{"unknown-method": http.StatusNotFound, "malformed": http.StatusBadRequest}[failed.kind]
	if !known {
		status = http.StatusUnprocessableEntity
	}
	return status, problem(failed)
}

func problem(failed *failure) any {
	return map[string]string{"kind": failed.kind, "detail": failed.detail}
}

// jsonRPC answers a request of JSON-RPC 2.0, or several in an array. A notification has no answer.
func jsonRPC(_ string, body []byte) (int, any) {
	if !json.Valid(body) {
		return http.StatusOK, refused(json.RawMessage("null"), fail("malformed", "not JSON"))
	}
	var batch []json.RawMessage
	if json.Unmarshal(body, &batch) != nil {
		if reply := answer(body); reply != nil {
			return http.StatusOK, reply
		}
		return http.StatusNoContent, nil
	}
	if len(batch) == 0 {
		return http.StatusOK, refused(json.RawMessage("null"), &failure{"malformed", "an empty batch", -32600})
	}
	var replies []any
	for _, request := range batch {
		if reply := answer(request); reply != nil {
			replies = append(replies, reply)
		}
	}
	if replies == nil {
		return http.StatusNoContent, nil
	}
	return http.StatusOK, replies
}

func answer(body []byte) any {
	request := struct {
		Method *string
		Params json.RawMessage
		ID     json.RawMessage
	}{Params: json.RawMessage("[]")}
	if json.Unmarshal(body, &request) != nil || request.Method == nil {
		return refused(json.RawMessage("null"), &failure{"malformed", "not a request", -32600})
	}
	result, failed := call(*request.Method, request.Params)
	switch {
	case request.ID == nil:
		return nil
	case failed != nil:
		return refused(request.ID, failed)
	}
	return map[string]any{"jsonrpc": "2.0", "result": result, "id": request.ID}
}

func refused(id json.RawMessage, failed *failure) any {
	code := failed.code
	if code == 0 {
		code = map[string]int{"malformed": -32700, "unknown-method": -32601, "invalid-arguments": -32602}[failed.kind]
	}
	if code == 0 {
		code = -32603
	}
	data := map[string]string{"kind": failed.kind}
	return map[string]any{
		"jsonrpc": "2.0",
		"error":   map[string]any{"code": code, "message": failed.detail, "data": data},
		"id":      id,
	}
}

// work is what each method does before it answers: nothing, wait, or use CPU time of its thread.
var work = func() {}

func setWork(text string) {
	kind, seconds, _ := strings.Cut(text, ":")
	value, err := strconv.ParseFloat(seconds, 64)
	if err != nil {
		exit(2, "--work takes sleep:SECONDS or compute:SECONDS")
	}
	length := time.Duration(value * float64(time.Second))
	switch kind {
	case "sleep":
		work = func() { time.Sleep(length) }
	case "compute":
		work = func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			for end := threadTime() + length; threadTime() < end; {
			}
		}
	default:
		exit(2, "--work takes sleep:SECONDS or compute:SECONDS")
	}
}

func threadTime() time.Duration {
	const thread = 1 // RUSAGE_THREAD of Linux.
	var usage syscall.Rusage
	if err := syscall.Getrusage(thread, &usage); err != nil {
		exit(3, err.Error())
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func exit(code int, message string) {
	fmt.Fprintln(os.Stderr, message)
	os.Exit(code)
}

func main() {
	handlers := map[string]func(string, []byte) (int, any){"rest": rest, "jsonrpc": jsonRPC}
	if len(os.Args) < 2 || handlers[os.Args[1]] == nil {
		exit(2, "usage: server rest|jsonrpc [--listen=HOST:PORT] [--work=KIND:SECONDS] [--end-with-input]")
	}
	protocol := os.Args[1]
	handle := handlers[protocol]
	listen := "127.0.0.1:0"
	for _, word := range os.Args[2:] {
		switch name, value, _ := strings.Cut(word, "="); name {
		case "--listen":
			listen = value
		case "--work":
			setWork(value)
		case "--end-with-input":
			go func() {
				_, _ = io.Copy(io.Discard, os.Stdin)
				os.Exit(0)
			}()
		default:
			exit(2, "unknown option "+name)
		}
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		<-stop
		os.Exit(0)
	}()
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		exit(3, err.Error())
	}
	fmt.Printf("listening %s http://%s/\n", protocol, listener.Addr())
	err = http.Serve(listener, http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(writer, request.Body, maxBodyBytes))
		if err != nil {
			return
		}
		status, content := http.StatusMethodNotAllowed, problem(fail("unknown-method", "only POST"))
		if request.Method == http.MethodPost {
			status, content = handle(request.URL.Path, body)
		}
		media := "application/json"
		if protocol == "rest" && status != http.StatusOK {
			media = "application/problem+json"
		}
		writer.Header().Set("Content-Type", media)
		text := []byte{}
		if content != nil {
			text, _ = json.Marshal(content)
		}
		if status != http.StatusNoContent {
			writer.Header().Set("Content-Length", strconv.Itoa(len(text)))
		}
		writer.WriteHeader(status)
		_, _ = writer.Write(text)
	}))
	exit(3, err.Error())
}
