"""Follows one topic and prints a line of JSON for each view or item: receiver.py URL TOPIC [TOKEN]
Debian: apt install python3-socketio python3-websocket. The rules are those of docs/reference/protocol.md."""
import json, sys, threading, socketio
url, topic, token = (sys.argv[1:] + [None])[:3]
sio, lock = socketio.Client(reconnection_delay=0.1, reconnection_delay_max=5), threading.RLock()
st = {"t": topic, "e": None, "s": 0, "view": None, "asking": False, "buffer": []}
def out(**line):
    print(json.dumps(line) + "\n", end="", flush=True)  # several threads print
def merge(target, patch):  # JSON Merge Patch, RFC 7396
    if not isinstance(patch, dict):
        return patch
    kept = {k: v for k, v in (target if isinstance(target, dict) else {}).items() if patch.get(k, 0) is not None}
    return {**kept, **{k: merge(kept.get(k), v) for k, v in patch.items() if v is not None}}
def subscribe(e=None):  # with the cursor, when the history is still the one that it counts in
    st.update(asking=True, buffer=[], **({} if e == st["e"] else {"e": None, "s": 0}))
    sio.emit("sub", {"l": [{"t": topic, **({"e": e, "s": st["s"]} if st["e"] else {})}]}, callback=answered)
def apply(s, view=None, items=None):
    for n, item in enumerate(items or [], s - len(items or []) + 1):
        if n > st["s"]:
            out(n=n, item=item)
    if items is None:
        st["view"] = view
        out(s=s, view=view)
    st["s"] = s
@sio.on("pub")
def published(p):
    with lock:
        if p["t"] != st["t"] or p["k"] == "x":
            return
        if st["asking"]:
            return st["buffer"].append(p)
        e, s, k = p["e"], p["s"], p["k"]
        if e == st["e"] and s <= st["s"]:
            return  # a duplicate
        if e != st["e"] or (k != "f" and p["p"] != st["s"] and not (k == "i" and p["p"] < st["s"])):
            return subscribe(e)  # a gap, or another history
        apply(s, items=p["d"]) if k == "i" else apply(s, merge(st["view"], p["d"]) if k == "d" else p["d"])
def answered(ack):
    with lock:
        r = ack["l"][0] if ack["ok"] else ack
        if not r["ok"]:
            return out(error=r["error"]["code"])
        if r["e"] == st["e"] and r["s"] < st["s"]:  # the answer of a former owner
            return threading.Timer(0.5, subscribe, [st["e"]]).start()
        st.update(t=r["t"], e=r["e"], asking=False)
        if r["kind"] == "log":
            apply(r["s"], items=r["d"])
        elif r["m"] == "snap":
            apply(r["s"], r["d"])
        for d in r["d"] if r["m"] == "delta" else []:
            apply(r["s"], merge(st["view"], d))
        st["buffer"], buffered = [], st["buffer"]
        for p in buffered if not r.get("more") else subscribe(r["e"]) or []:
            published(p)
sio.on("connect", lambda: subscribe(st["e"]))
sio.on("hello", lambda hello: out(user=hello["user"]))
sio.on("resync", lambda r: subscribe(st["e"]) if r["t"] == "*" or st["t"] in r["t"] else None)
sio.on("head", lambda h: h["t"] == st["t"] and not st["asking"] and h["s"] > st["s"] and subscribe(h["e"]))
sio.connect(url, auth={"proto": 1, **({"token": token} if token else {})}, transports=["websocket"])
sio.wait()
