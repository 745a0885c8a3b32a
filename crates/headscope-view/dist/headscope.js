// node_modules/preact/dist/preact.mjs
var e, t, n, r, i, a, o, s, c, l, u = Symbol.for("pv"), d = {}, f = [], p = /^m(i|n|o|s|text|space)$/, m = Array.isArray, h = f.slice, g = Object.assign;
function _(e) {
	e && e.parentNode && e.remove();
}
function v(n, r, i, a, o) {
	var s = {
		type: n,
		props: r,
		key: i,
		ref: a,
		__k: null,
		__: null,
		__b: 0,
		__e: null,
		__c: null,
		constructor: u,
		__v: o || ++t,
		__i: -1,
		__u: 0
	};
	return !o && e.vnode && e.vnode(s), s;
}
function y(e) {
	return e.children;
}
function b(e, t) {
	this.props = e, this.context = t, this.__g = 0;
}
function x(e, t) {
	if (t == null) return e.__ && x(e.__, e.__i + 1);
	for (var n; t < e.__k.length; t++) if ((n = e.__k[t]) && n.__e) return n.__e;
	return typeof e.type != "function" || e.props.__P ? null : x(e);
}
function S(t) {
	var n, r = t.__v, i = r.__e, a = [], o = [], s = t.__P;
	s && ((n = g({ constructor: u }, r)).__v = r.__v + 1, e.vnode && e.vnode(n), j(s, n, r, t.__n, s.namespaceURI, 32 & r.__u ? [i] : null, a, i || x(r), 32 & r.__u, o), n.__v = r.__v, n.__.__k[n.__i] = n, M(a, n, o), r.__ = r.__e = null, n.__e != i && C(n));
}
function C(e) {
	if ((e = e.__) && e.__c && !e.props.__P) return e.__e = null, e.__k.some(function(t) {
		return t && (e.__e = t.__e);
	}), C(e);
}
function w(t) {
	(8 & t.__g || (t.__g |= 8, n.push(t), i++)) && r == e.debounceRendering || ((r = e.debounceRendering) || queueMicrotask)(T);
}
function T() {
	try {
		for (var e, t = 1; n.length;) n.length > t && n.sort(a), e = n.shift(), t = n.length, 8 & e.__g && S(e);
	} finally {
		(i = n.length) && (r || queueMicrotask)(T);
	}
}
function ee(e, t, n, r, i, a, o, s, c, l, u) {
	var p, m, h, g, _, v, y = r.__k || f, b = t.length;
	for (c = E(n, t, y, c, b), p = 0; p < b; p++) (h = n.__k[p]) != null && (m = ~h.__i && y[h.__i] || d, h.__i = p, v = j(e, h, m, i, a, o, s, c, l, u), g = h.__e, (m.ref != h.ref || 8 & m.__u) && (m.ref && N(m.ref, null, h, m), h.ref && u.push(h.ref, h.__c || g, h)), _ ||= g, 4 & h.__u ? (c = D(h, c, e, !m.__v), m.__e && (m.__e = null)) : typeof h.type == "function" && v !== void 0 ? c = v : g && (c = g.nextSibling), h.__u &= -21);
	return n.__e = _, c;
}
function E(e, t, n, r, i) {
	var a, o, s, c, l, d, f, p, h, g = n.length, _ = g, b = 0, S = 0, C = e.__k = Array(i);
	for (a = 0; a < i; a++) (o = t[a]) != null && typeof o != "boolean" && typeof o != "function" ? (typeof o != "object" || o.constructor === String ? o = C[a] = v(null, o) : m(o) ? o = C[a] = v(y, { children: o }) : o.constructor === u && o.__b ? o = C[a] = v(o.type, o.props, o.key, o.ref, o.__v) : C[a] = o, c = a + b, o.__ = e, o.__b = e.__b + 1, s = null, ~(l = o.__i = O(o, n, c, _)) && (_--, (s = n[l]) && (s.__u |= 2)), s && s.__v ? (o.__u |= 16, l == c - 1 ? b-- : l == c + 1 ? b++ : l != c && (l > c ? b-- : b++, S = 1)) : (~l || (i > g ? b-- : i < g && b++), typeof o.type != "function" && (o.__u |= 4))) : C[a] = null;
	if (S) {
		for (d = [], f = [], a = 0; a < i; a++) if ((o = C[a]) && 16 & o.__u) {
			for (b = 0, p = d.length; b < p;) d[h = b + p >> 1] < o.__i ? b = h + 1 : p = h;
			d[b] = o.__i, f[a] = b + 1;
		}
		for (b = d.length; a--;) f[a] && (f[a] == b ? b-- : C[a].__u |= 4);
	}
	if (_) for (a = 0; a < g; a++) !(s = n[a]) || 2 & s.__u || (s.__e == r && (r = x(s)), ae(s, s));
	return r;
}
function D(e, t, n, r) {
	var i, a, o, s;
	if (typeof e.type == "function") {
		if (e.props.__P) return t;
		if (i = e.__k) for (a = 0; a < i.length; a++) i[a] && (i[a].__ = e, t = D(i[a], t, n, !1));
		return t;
	}
	for (t && !t.parentNode && (t = x(e)) && !t.parentNode && (t = null), o = e.__e, s = t; s && s.nodeType == 8;) s = s.nextSibling;
	for (o != s && (!r && n.moveBefore && o.parentNode ? n.moveBefore(o, t) : n.insertBefore(o, t || null)), t = o; (t &&= t.nextSibling) && t.nodeType == 8 && !t.data.startsWith("$s"););
	return t;
}
function O(e, t, n, r) {
	var i, a = e.key, o = e.type, s = t[n], c = s && !(2 & s.__u);
	if (s === null && a == null || c && a == s.key && o == s.type) return n;
	if (r > +!!c) {
		for (i = n - 1; i >= 0; i--) if ((s = t[i]) && !(2 & s.__u) && a == s.key && o == s.type) return i;
		for (i = n + 1; i < t.length; i++) if ((s = t[i]) && !(2 & s.__u) && a == s.key && o == s.type) return i;
	}
	return -1;
}
function k(e, t, n) {
	n ??= "", t[0] == "-" ? e.setProperty(t, n) : e[t] = n;
}
function A(e, t, n, r, i) {
	var a, o;
	if (t == "style") {
		if (typeof n == "string") e.style.cssText = n;
		else {
			if (typeof r == "string" && (e.style.cssText = r = ""), r) for (t in r) n && t in n || k(e.style, t);
			if (n) for (t in n) r && n[t] == r[t] || k(e.style, t, n[t]);
		}
	} else if (t[0] == "o" && t[1] == "n") typeof n != "function" && (n = null), typeof r != "function" && (r = null), (e.__e ||= {})[t] = n, n && r || (o = l[t] || (l[t] = te(t)), (e.__a ||= {})[t] = c, a = t != (t = t.replace(s, "$1")), (t = t.slice(2))[0] < "a" && (t = t.toLowerCase()), n ? e.addEventListener(t, o, a) : e.removeEventListener(t, o, a));
	else {
		if (i == "http://www.w3.org/2000/svg") t = t.replace(/xlink(H|:h)/, "h").replace(/sName$/, "s");
		else if (t != "width" && t != "height" && t != "href" && t != "list" && t != "form" && t != "tabIndex" && t != "download" && t != "rowSpan" && t != "colSpan" && t != "role" && t != "popover" && t in e) try {
			e[t] = n ?? "";
			return;
		} catch {}
		if (typeof n == "function") return;
		n == null || !1 === n && t[4] != "-" ? e.removeAttribute(t) : e.setAttribute(t, t == "popover" && n == 1 ? "" : n);
	}
}
function te(t) {
	return function(n) {
		var r = this.__e;
		if (r) {
			if (r = r[t], n[o] == null) n[o] = c++;
			else if (n[o] < this.__a[t]) return;
			return r(e.event ? e.event(n) : n);
		}
	};
}
function j(t, n, r, i, a, o, s, c, l, d) {
	var p, h, v, S, C, w, T, E, D, O, k, A, te, j, M, N, P, F, I = n.type;
	if (n.constructor !== u) return null;
	128 & r.__u && (l = 32 & r.__u, p = r.__c.__z) && (n.__u |= l, h = o = [], p.nodeType == 8 ? c = ne(p, o) : o.push(p), c = o[0] || c), (p = e.__b) && p(n);
	n: if (typeof I == "function") {
		v = s.length;
		try {
			if (E = n.props, D = (p = I.prototype) && p.render, O = (p = I.contextType) && i[p.__c], k = p ? O ? O.props.value : p.__ : i, (S = r.__c) ? (n.__c = S, 2 & S.__g && (S.__g |= 1)) : (D ? n.__c = S = new I(E, k) : (n.__c = S = new b(E, k), S.constructor = I, S.render = oe), O && O.sub(S), S.state || (S.state = {}), S.__n = i, S.__g |= 8, S.__h = [], S.__k = []), D && (S.__s || (S.__s = S.state), I.getDerivedStateFromProps && (S.__s == S.state && (S.__s = g({}, S.__s)), g(S.__s, I.getDerivedStateFromProps(E, S.__s)))), C = S.props, w = S.state, S.__v = n, r.__c) {
				if (E !== C && D && !I.getDerivedStateFromProps && S.componentWillReceiveProps && S.componentWillReceiveProps(E, k), n.__v == r.__v && !(8 & S.__g) || !(4 & S.__g) && S.shouldComponentUpdate && !1 === S.shouldComponentUpdate(E, S.__s, k)) {
					n.__v != r.__v && (S.props = E, S.state = S.__s, S.__g &= -9), n.__e = r.__e, n.__k = r.__k, n.__k.some(function(e) {
						e && (e.__ = n);
					}), f.push.apply(S.__h, S.__k), S.__k = [], S.__h.length && s.push(S), c = x(r);
					break n;
				}
				S.componentWillUpdate && S.componentWillUpdate(E, S.__s, k), D && S.componentDidUpdate && S.__h.push(function() {
					S.componentDidUpdate(C, w, T);
				});
			} else D && !I.getDerivedStateFromProps && S.componentWillMount && S.componentWillMount(), D && S.componentDidMount && S.__h.push(S.componentDidMount);
			S.context = k, S.props = E, S.__P = t, S.__g &= -5, A = e.__r, te = D ? 25 : 0;
			do
				S.__g &= -9, A && A(n), p = S.render(S.props, S.state = S.__s, S.context);
			while (8 & S.__g && ++te < 25);
			D && (f.push.apply(S.__h, S.__k), S.__k = []), S.state = S.__s, S.getChildContext && (i = g({}, i, S.getChildContext())), D && r.__c && S.getSnapshotBeforeUpdate && (T = S.getSnapshotBeforeUpdate(C, w)), j = p && p.type === y && p.key == null ? p.props.children : p, E.__P && (p = c, a = (t = E.__P).namespaceURI, l = o = null, r.props && r.props.__P != t && (r.__k.some(function(e) {
				e && ae(e, e);
			}), r.__k = null), c = r.__k ? x(r, 0) : null), c = ee(t, m(j) ? j : [j], n, r, i, a, o, s, c, l, d), E.__P && (n.__e = null, c = p), n.__u &= -161, h && h.some(_), S.__h.length && s.push(S), 1 & S.__g && (S.__g &= -4);
		} catch (t) {
			if (s.length = v, n.__v = null, l || o) {
				if (t && t.then) {
					if (n.__u |= 128 | l, o) {
						for (~(P = o.indexOf(c || void 0)) || (P = o.length); (F = o[P - 1]) && F.nodeType == 8;) P--;
						for (; P < o.length; P++) if (F = o[P]) {
							if (o[P] = null, M) {
								if (F == N) break;
							} else {
								if (F.nodeType != 8) break;
								F.data.startsWith("$s") && (N = ne(M = F));
							}
						}
					}
					if (!M) {
						for (; c && c.nodeType == 8 && c.nextSibling;) c = c.nextSibling;
						M = c;
					}
					(p = ne(M = n.__c.__z || (n.__c.__z = M))) ? (n.__e = M, c = p) : n.__e = c, c &&= c.nextSibling;
				} else o && o.some(_);
			} else n.__e = r.__e;
			n.__k ||= r.__k || [], t && t.then || re(n), e.__e(t, n, r);
		}
	} else c = n.__e = ie(r.__e, n, r, i, a, o, s, l, d, t);
	return (p = e.diffed) && p(n), c;
}
function ne(e, t) {
	if (e && e.nodeType == 8 && e.data.startsWith("$s")) for (var n = 1; e = e.nextSibling;) {
		if (e.nodeType == 8) {
			if (e.data.startsWith("$s")) n++;
			else if (e.data.startsWith("/$s") && !--n) return e;
		}
		t && t.push(e);
	}
}
function re(e) {
	e && (e.__c && (e.__c.__g |= 4), e.__k && e.__k.some(re));
}
function M(t, n, r) {
	for (var i = 0; i < r.length;) N(r[i++], r[i++], r[i++]);
	e.__c && e.__c(n, t), t.some(function(n) {
		try {
			t = n.__h, n.__h = [], t.some(function(e) {
				e.call(n);
			});
		} catch (t) {
			e.__e(t, n.__v);
		}
	});
}
function ie(t, n, r, i, a, o, s, c, l, u) {
	var f, g, v, y, b, S, C, w, T = r.props || d, E = n.props, D = n.type;
	if (D == "svg" ? a = "http://www.w3.org/2000/svg" : D == "math" ? a = "http://www.w3.org/1998/Math/MathML" : a ||= "http://www.w3.org/1999/xhtml", o) {
		for (f = 0; f < o.length; f++) if ((b = o[f]) && (D ? b.localName == D : b.nodeType == 3)) {
			t = b, o[f] = null;
			break;
		}
	}
	if (!t) {
		if (w = u.ownerDocument || document, !D) return w.createTextNode(E);
		t = w.createElementNS(a, D, E.is ? E : u), c &&= (e.__m && e.__m(n, o), !1), o = null;
	}
	if (D) {
		if (u = D == "template" && t.content || t, o = D == "textarea" && E.defaultValue != null ? null : o && h.call(u.childNodes), !c && o) for (T = {}, f = 0; f < t.attributes.length; f++) T[(b = t.attributes[f]).name] = b.value;
		for (f in T) b = T[f], f == "dangerouslySetInnerHTML" ? v = b : f == "children" || f in E || f == "value" && "defaultValue" in E || f == "checked" && "defaultChecked" in E || A(t, f, null, b, a);
		for (f in E) b = E[f], f == "children" ? y = b : f == "dangerouslySetInnerHTML" ? g = b : f == "value" ? S = b : f == "checked" ? C = b : c && typeof b != "function" || T[f] === b || A(t, f, b, T[f], a);
		g ? (c || v && (g.__html == v.__html || g.__html == t.innerHTML) || (t.innerHTML = g.__html), n.__k = []) : (v && (t.textContent = ""), (D == "foreignObject" || a == "http://www.w3.org/1998/Math/MathML" && p.test(D)) && (a = "http://www.w3.org/1999/xhtml"), ee(u, m(y) ? y : [y], n, r, i, a, o, s, o ? o[0] : r.__k && x(r, 0), c, l), o && o.some(_)), c && D != "textarea" || (f = "value", D == "progress" && S == null ? t.removeAttribute(f) : S == null || S === t[f] && (D != "progress" || S) || A(t, f, S, T[f], a), f = "checked", C != null && C != t[f] && A(t, f, C, T[f], a));
	} else T === E || c && t.data == E || (t.data = E);
	return t;
}
function N(t, n, r, i) {
	try {
		typeof t == "function" ? n ? n.__x = t(n) || 1 : (i &&= i.__c || i.__e) && (n = i.__x) && (i.__x = null, typeof n == "function" ? n() : t(null)) : t.current = n;
	} catch (t) {
		e.__e(t, r);
	}
}
function ae(t, n, r) {
	var i, a, o, s;
	if (e.unmount && e.unmount(t), !(i = t.ref) || i.current && i.current != t.__e || N(i, null, n, t), i = t.__c) {
		if (i.componentWillUnmount) try {
			i.componentWillUnmount();
		} catch (t) {
			e.__e(t, n);
		}
		i.__P = i.__n = null;
	}
	if (i = t.__k) for (s = 0; s < i.length; s++) i[s] && ae(i[s], n, typeof t.type != "function" || r && !t.props.__P);
	!r && (i = t.__c) && (i = i.__z) && (a = ne(i, o = [])) && (i == t.__e && o.some(_), _(a), _(i)), r || _(t.__e), t.__e = t.__c = t.__ = null;
}
function oe(e, t, n) {
	return this.constructor(e, n);
}
function P(t, n) {
	var r, i, a, o;
	e.__ && e.__(t, n), n.nodeType == 9 && (n = n.documentElement), i = (r = t && 32 & t.__u) ? null : n.__k, n.__k = v(y, { children: [t] }), a = [], o = [], j(n, n.__k, i || d, d, n.namespaceURI, i ? null : n.firstChild ? h.call(n.childNodes) : null, a, i ? i.__e : n.firstChild, r, o), M(a, n.__k, o), n.__k.props.children = null;
}
e = { __e: function(e, t, n, r) {
	for (var a, o, s; t = t.__;) if ((a = t.__c) && !(1 & a.__g)) {
		a.__g |= 4;
		try {
			if ((s = (o = a.constructor) && o.getDerivedStateFromError) && a.setState(o.getDerivedStateFromError(e)), a.componentDidCatch && (a.componentDidCatch(e, r || {}), s = 1), s && 8 & a.__g) return void (a.__g |= 2);
		} catch (t) {
			e = t;
		}
	}
	throw i = 0, e;
} }, t = 0, b.prototype.setState = function(e, t) {
	var n = this.__s;
	n && n != this.state || (n = this.__s = g({}, this.state)), typeof e == "function" && (e = e(g({}, n), this.props)), e && (g(n, e), this.__v && (t && this.__k.push(t), w(this)));
}, b.prototype.forceUpdate = function(e) {
	this.__v && (this.__g |= 4, e && this.__h.push(e), w(this));
}, b.prototype.render = y, n = [], i = 0, a = function(e, t) {
	return e.__v.__b - t.__v.__b;
}, o = Symbol(), s = /(PointerCapture)$|Capture$/i, c = 0, l = {};
// node_modules/preact/hooks/dist/hooks.mjs
var F, I, se, ce, le = Object.is, ue = 0, de = [], fe = [], L = e, pe = L.__b, me = L.__r, he = L.diffed, ge = L.__c, _e = L.unmount, ve = L.__;
function ye(e, t) {
	L.__h && L.__h(I, e, ue || t), ue = 0;
	var n = I.__H || (I.__H = {
		__: [],
		__h: []
	});
	return e >= n.__.length && n.__.push({}), n.__[e];
}
function R(e) {
	return ue = 1, be(ke, e);
}
function be(e, t, n) {
	var r = ye(F++, 2);
	if (r.t = e, !r.__c && (r.__ = [n ? n(t) : ke(void 0, t), function(e) {
		var t = (r.__N || r.__)[0], n = r.t(t, e);
		le(t, n) || (r.__N = [n, r.__[1]], r.__c.setState({}));
	}], r.__c = I, !I.__f)) {
		I.__f = !0;
		var i = I.shouldComponentUpdate;
		I.shouldComponentUpdate = function(e, t, n) {
			var r = this.__H;
			if (!r) return !0;
			var a = !1, o = this.props != e;
			if (r.__.some(function(e) {
				e.__N && (a = !0, le(e.__[0], e.__N[0]) || (o = !0));
			}), i) {
				var s = i.call(this, e, t, n);
				return a ? s || o : s;
			}
			return !a || o;
		};
	}
	return r.__;
}
function xe(e, t) {
	var n = ye(F++, 3);
	!L.__s && Oe(n.__H, t) && (n.__P = !0, n.__ = e, n.u = t, I.__H.__h.push(n));
}
function z(e, t) {
	var n = ye(F++, 4);
	!L.__s && Oe(n.__H, t) && (n.__P = !1, n.__ = e, n.u = t, I.__h.push(n));
}
function B(e) {
	return ue = 5, V(function() {
		return { current: e };
	}, []);
}
function V(e, t) {
	var n = ye(F++, 7);
	return Oe(n.__H, t) && (n.__ = e(), n.__H = t), n.__;
}
function Se() {
	var e;
	do {
		for (; e = fe.shift();) try {
			Ee(e);
		} catch (t) {
			L.__e(t, { __: (e = e.__P) && e.__v });
		}
		for (; e = de.shift();) {
			var t = e.__H;
			if (e.__P && t) try {
				t.__h.some(Ee), t.__h.some(De), t.__h = [];
			} catch (n) {
				t.__h = [], L.__e(n, e.__v);
			}
		}
	} while (fe.length);
}
L.__b = function(e) {
	I = null, pe && pe(e);
}, L.__ = function(e, t) {
	e && t.__k && t.__k.__m && (e.__m = t.__k.__m), ve && ve(e, t);
}, L.__r = function(e) {
	me && me(e), F = 0;
	var t = (I = e.__c).__H;
	t && (se == I ? I.__h = [] : (t.__h.some(Ee), t.__h.some(De), F = 0), t.__h = [], t.__.some(function(e) {
		e.__N && (e.__ = e.__N), e.u = e.__N = void 0;
	})), se = I;
}, L.diffed = function(e) {
	he && he(e);
	var t = e.__c;
	t && t.__H && (t.__H.__h.length && Te(de.push(t)), t.__H.__.some(function(e) {
		e.u && (e.__H = e.u);
	})), se = I = null;
}, L.__c = function(e, t) {
	t.some(function(e) {
		try {
			e.__h.some(Ee), e.__h = e.__h.filter(function(e) {
				return !e.__ || De(e);
			});
		} catch (t) {
			e.__h = [function() {
				throw t;
			}];
		}
	}), ge && ge(e, t);
}, L.unmount = function(e) {
	_e && _e(e);
	var t, n, r = e.__c;
	r && r.__H && (r.__H.__.some(function(r) {
		try {
			if (r.__P && r.__c) {
				if (n === void 0) {
					for (n = e.__; n && (!n.__c || !n.__c.__P);) n = n.__;
					n &&= n.__c;
				}
				r.__P = n, Te(fe.push(r));
			} else Ee(r);
		} catch (e) {
			t = e;
		}
	}), r.__H = void 0, t && L.__e(t, r.__v));
};
var Ce = typeof requestAnimationFrame == "function";
function we(e) {
	var t, n = function() {
		clearTimeout(r), Ce && cancelAnimationFrame(t), setTimeout(e);
	}, r = setTimeout(n, 35);
	Ce && (t = requestAnimationFrame(n));
}
function Te(e) {
	e != 1 && ce == L.requestAnimationFrame || ((ce = L.requestAnimationFrame) || we)(Se);
}
function Ee(e) {
	var t = I, n = e.__c;
	typeof n == "function" && (e.__c = void 0, n()), I = t;
}
function De(e) {
	var t = I;
	e.__c = e.__(), I = t;
}
function Oe(e, t) {
	return !e || e.length != t.length || t.some(function(t, n) {
		return !le(t, e[n]);
	});
}
function ke(e, t) {
	return typeof t == "function" ? t(e) : t;
}
// src/cell.ts
var H = class {
	current;
	listeners = /* @__PURE__ */ new Set();
	constructor(e) {
		this.current = e;
	}
	get value() {
		return this.current;
	}
	set(e) {
		if (!Object.is(e, this.current)) {
			this.current = e;
			for (let t of [...this.listeners]) t(e);
		}
	}
	subscribe(e) {
		return this.listeners.add(e), () => this.listeners.delete(e);
	}
};
function U(e) {
	let [, t] = be((e) => e + 1, 0);
	return z(() => e.subscribe(t), [e]), e.value;
}
// src/colours.ts
function Ae(e, t) {
	let n = getComputedStyle(e), r = (e) => n.getPropertyValue(`--${e}`).trim();
	return {
		dark: t,
		paper: r("paper"),
		accent: r("accent"),
		looked: r("looked")
	};
}
var je = [
	"#2b63d9",
	"#d05a00",
	"#00795b",
	"#a1348f",
	"#8a6a00",
	"#c3274f",
	"#0e7fa8",
	"#4d4f57"
], Me = [
	"#6f9bf5",
	"#f09a52",
	"#3db391",
	"#cf7cc2",
	"#c7a332",
	"#ec7f98",
	"#57b6d8",
	"#8f929c"
], Ne = [
	"#7aa5ff",
	"#ffac5e",
	"#4fd0a8",
	"#e08fd4",
	"#e3c552",
	"#ff8fa6",
	"#63c7ec",
	"#c6c8d0"
], Pe = [
	"#4f78d1",
	"#cc7f38",
	"#2f977a",
	"#b0629f",
	"#a98d2c",
	"#cf5f78",
	"#3893b5",
	"#8d9099"
];
function Fe(e, t, { dark: n, accent: r }) {
	if (t === 1) return {
		colour: r,
		dashed: !1
	};
	let i = n ? [...Ne, ...Pe] : [...je, ...Me];
	return {
		colour: i[e % i.length],
		dashed: e % 16 >= 8
	};
}
// src/model/measure.ts
var Ie = [
	{
		key: "first",
		label: "first token"
	},
	{
		key: "separators",
		label: "separators"
	},
	{
		key: "itself",
		label: "itself"
	},
	{
		key: "next",
		label: "next"
	},
	{
		key: "previous",
		label: "previous"
	},
	{
		key: "same",
		label: "same sentence"
	},
	{
		key: "other",
		label: "other sentence"
	}
];
function Le(e, t, n) {
	return n === 0 ? 0 : e[n].special ? 1 : n === t ? 2 : n === t + 1 ? 3 : n === t - 1 ? 4 : e[n].segment === e[t].segment ? 5 : 6;
}
function Re(e, { query: t, key: n }, r) {
	let [i, a] = t === null ? [0, e - 1] : [t, t], [o, s] = n === null ? [0, e - 1] : [n, n];
	for (let e = i; e <= a; e++) for (let t = o; t <= s; t++) r(e, t);
}
function ze(e, t, n) {
	let r = Ie.map(() => 0), i = n.query === null && n.key !== null;
	return Re(t.length, n, (n, a) => {
		r[i ? Le(t, a, n) : Le(t, n, a)] += e[n * t.length + a];
	}), r;
}
function Be(e, t, n, r, i) {
	let a = [];
	return e.forEach((e, o) => {
		Re(t, n, (n, s) => {
			let c = e[n * t + s];
			if (a.length === r && c <= a[r - 1].weight || !i(n, s)) return;
			let l = a.length;
			for (; l > 0 && a[l - 1].weight < c;) l--;
			a.splice(l, 0, {
				query: n,
				key: s,
				of: o,
				weight: c
			}), a.length = Math.min(a.length, r);
		});
	}), a;
}
function Ve(e, t) {
	let n = t.length, r = new Float32Array(n * n), [i, a] = [0, 0];
	for (let o = 0; o < n; o++) {
		if (t[o].special) continue;
		let s = e.subarray(o * n, (o + 1) * n), c = 0;
		s.forEach((e, n) => {
			a += e, t[n].special || (c += e);
		}), i += c, c !== 0 && s.forEach((e, i) => {
			t[i].special || (r[o * n + i] = e / c);
		});
	}
	return {
		weights: r,
		removed: a === 0 ? 0 : 1 - i / a
	};
}
var W = [
	{
		key: "all",
		label: "All",
		from: null,
		to: null
	},
	{
		key: "aa",
		label: "A→A",
		from: 0,
		to: 0
	},
	{
		key: "ab",
		label: "A→B",
		from: 0,
		to: 1
	},
	{
		key: "ba",
		label: "B→A",
		from: 1,
		to: 0
	},
	{
		key: "bb",
		label: "B→B",
		from: 1,
		to: 1
	}
];
function He(e, t) {
	let { from: n, to: r } = W.find((t) => t.key === e);
	return n === null ? () => !0 : (e, i) => t[e].segment === n && t[i].segment === r;
}
function Ue(e, t, n) {
	let r = n.length, i = He(t, n), { from: a } = W.find((e) => e.key === t), [o, s] = [0, 0];
	return Re(r, {
		query: null,
		key: null
	}, (t, c) => {
		(a === null || n[t].segment === a) && (s += e[t * r + c], i(t, c) && (o += e[t * r + c]));
	}), s === 0 ? 0 : o / s;
}
function We(e) {
	let t = e.reduce((e, t) => e + t, 0);
	if (t === 0) return e.map(() => 0);
	let n = e.map((e) => e / t * 1e3), r = n.map(Math.floor), i = 1e3 - r.reduce((e, t) => e + t, 0), a = n.map((e, t) => t).sort((e, t) => n[t] - r[t] - (n[e] - r[e]));
	for (let e of a.slice(0, i)) r[e] += 1;
	return r.map((e) => e / 10);
}
function Ge(e) {
	return e.some((e) => e.segment === 1);
}
// src/model/safetensors.ts
var Ke = {
	F32: 4,
	U8: 1
}, qe = class e {
	metadata;
	entries;
	body;
	constructor(e, t, n) {
		this.metadata = e, this.entries = t, this.body = n;
	}
	static read(t) {
		if (t.length < 8) throw Error(`view data: ${t.length} bytes are no safetensors file`);
		let n = new DataView(t.buffer, t.byteOffset, t.byteLength), r = 8 + Number(n.getBigUint64(0, !0));
		if (r > t.length) throw Error("view data: the header is longer than the file");
		let { __metadata__: i = {}, ...a } = JSON.parse(new TextDecoder().decode(t.subarray(8, r))), o = t.subarray(r), s = new Map(Object.entries(a));
		for (let [e, t] of s) Ye(e, t, o.length);
		return new e(i, s, o);
	}
	has(e) {
		return this.entries.has(e);
	}
	shape(e) {
		return this.entry(e).shape;
	}
	u8(e) {
		let [t, n] = this.entry(e, "U8").data_offsets;
		return this.body.subarray(t, n);
	}
	f32(e) {
		let [t, n] = this.entry(e, "F32").data_offsets;
		return Je(this.body.subarray(t, n));
	}
	entry(e, t) {
		let n = this.entries.get(e);
		if (!n) throw Error(`view data: no tensor named ${e}`);
		if (t && n.dtype !== t) throw Error(`view data: ${e} is ${n.dtype}, expected ${t}`);
		return n;
	}
};
function Je(e) {
	let t = e.byteOffset % 4 == 0 ? e : e.slice();
	return new Float32Array(t.buffer, t.byteOffset, t.byteLength / 4);
}
function Ye(e, { dtype: t, shape: n, data_offsets: [r, i] }, a) {
	let o = n.reduce((e, t) => e * t, Ke[t] ?? NaN);
	if (!(0 <= r && r <= i && i <= a) || t in Ke && o !== i - r) throw Error(`view data: ${e} is ${t} [${n}], but has bytes ${r} to ${i} of ${a}`);
}
// src/model/trace.ts
function Xe(e) {
	let { metadata: t } = e, [n, r, i] = e.shape("atlas"), a = it(t, "encoding"), o = it(t, "blocks"), s = it(t, "rules"), c = new TextEncoder().encode(a.text);
	return {
		card: it(t, "card"),
		texts: a.parts.map(([e, t]) => rt(c, e, t)),
		tokens: a.tokens,
		bytes: c,
		rules: o.map((e) => s.find((t) => t.site === e)),
		blocks: o,
		layers: n,
		heads: r,
		metrics: it(t, "metrics"),
		metricValues: e.f32("metrics"),
		atlas: e.u8("atlas"),
		side: i,
		tracedMs: t.traced_ms ? Number(t.traced_ms) : null
	};
}
function Ze(e, t, { layer: n, head: r }) {
	return e.metricValues[(t * e.layers + n) * e.heads + r];
}
function Qe({ layers: e, heads: t }) {
	return Array.from({ length: e * t }, (e, n) => ({
		layer: Math.floor(n / t),
		head: n % t
	}));
}
function $e(e, t) {
	let n = (n) => {
		let r = Ze(e, t, n);
		return Number.isNaN(r) ? -Infinity : r;
	};
	return Qe(e).sort((e, t) => n(t) - n(e) || 0);
}
function G(e, t) {
	return e.layer === t.layer && e.head === t.head;
}
function et({ blocks: e }, t) {
	return /^blocks\.(\d+)\.attn$/.exec(e[t])?.[1] ?? e[t];
}
function K(e, { layer: t, head: n }) {
	return `${et(e, t)}·${n}`;
}
function tt(e, { layer: t, head: n }) {
	return `Layer ${et(e, t)}, head ${n}`;
}
function nt({ bytes: e }, { span: t }) {
	return t && rt(e, t[0], t[1]);
}
function rt(e, t, n) {
	return new TextDecoder().decode(e.subarray(t, n));
}
function it(e, t) {
	if (!(t in e)) throw Error(`view data: no ${t} in the metadata`);
	return JSON.parse(e[t]);
}
// src/state.ts
var at = [{
	key: "head",
	label: "Head"
}, {
	key: "tokens",
	label: "Tokens"
}], ot = ["shown", "hidden"], st = ["sqrt", "linear"], ct = ["one", "fit"], lt = [
	"auto",
	"light",
	"dark"
], q = {
	view: "head",
	focus: {
		layer: 0,
		head: 0,
		query: null,
		key: null
	},
	heads: [{
		layer: 0,
		head: 0
	}],
	flow: "all",
	special: "shown",
	scale: "sqrt",
	top: "one",
	order: "layer",
	theme: "auto"
};
function J(e, { layer: t, head: n }) {
	return {
		...e,
		focus: {
			...e.focus,
			layer: t,
			head: n
		},
		heads: [{
			layer: t,
			head: n
		}]
	};
}
function ut(e, { layer: t, head: n }) {
	return {
		...e,
		focus: {
			...e.focus,
			layer: t,
			head: n
		}
	};
}
function dt(e, t) {
	let n = e.heads.filter((e) => !G(e, t));
	if (n.length === e.heads.length) return n.length >= 16 ? e : ut({
		...e,
		heads: [...n, {
			layer: t.layer,
			head: t.head
		}]
	}, t);
	if (n.length === 0) return e;
	let r = {
		...e,
		heads: n
	};
	return G(e.focus, t) ? ut(r, n[n.length - 1]) : r;
}
function ft(e, t, n, r) {
	let i = Ct(e.focus.layer + t, r.layers), a = Ct(e.focus.head + n, r.heads);
	return G(e.focus, {
		layer: i,
		head: a
	}) ? e : J(e, {
		layer: i,
		head: a
	});
}
function pt(e, t, n) {
	let r = t === "query" ? "key" : "query", i = e.focus[t] === n && e.focus[r] === null;
	return {
		...e,
		focus: {
			...e.focus,
			[r]: null,
			[t]: i ? null : n
		}
	};
}
function mt(e) {
	return {
		...e,
		focus: {
			...e.focus,
			query: null,
			key: null
		}
	};
}
function ht(e, t, n) {
	let r = e.focus.key !== null && e.focus.query === null ? "key" : "query", i = gt(e, n), a = i.indexOf(e.focus[r] ?? -1), o = i[a < 0 ? t > 0 ? 0 : i.length - 1 : Ct(a + t, i.length)];
	return o === void 0 || o === e.focus[r] ? e : pt(e, r, o);
}
function Y(e, t) {
	return e[(e.indexOf(t) + 1) % e.length];
}
function gt({ special: e }, t) {
	let n = t.map((e, t) => t);
	return e === "shown" ? n : n.filter((e) => !t[e].special);
}
function _t(e, t) {
	let n = ({ layer: e, head: n }) => e < t.layers && n < t.heads, { layer: r, head: i, query: a, key: o } = e.focus, s = n(e.focus) ? {
		layer: r,
		head: i
	} : {
		layer: 0,
		head: 0
	}, c = e.heads.filter((e, t, r) => n(e) && r.findIndex((t) => G(t, e)) === t), l = new Set(gt(e, t.tokens)), u = (e) => e !== null && l.has(e) ? e : null;
	return {
		...e,
		focus: {
			...s,
			query: u(a),
			key: u(o)
		},
		heads: c.some((e) => G(e, s)) ? c : [s],
		flow: Ge(t.tokens) ? e.flow : "all",
		order: t.metrics.some((t) => t.key === e.order) ? e.order : "layer"
	};
}
function vt(e, t, n) {
	if (e === null || !t[e]) return null;
	let { piece: r } = t[e], i = n.flatMap((e, t) => e.piece === r ? [t] : []);
	return i.length === 0 ? null : i.reduce((t, n) => Math.abs(n - e) < Math.abs(t - e) ? n : t);
}
function yt(e, t) {
	let { focus: n, heads: r } = e, i = new URLSearchParams({ head: `${n.layer}.${n.head}` });
	r.length > 1 && i.set("heads", r.map(({ layer: e, head: t }) => `${e}.${t}`).join(" ")), n.query !== null && i.set("query", String(n.query)), n.key !== null && i.set("key", String(n.key));
	for (let t of [
		"view",
		"flow",
		"special",
		"scale",
		"top",
		"order",
		"theme"
	]) e[t] !== q[t] && i.set(t, e[t]);
	return t?.forEach((e, t) => i.set("ab"[t], e)), `#${i}`;
}
function bt(e, t) {
	let n = new URLSearchParams(e.replace(/^#/, "")), r = (e, t) => t.find((t) => t === n.get(e)), i = xt(n.get("head")) ?? t.focus, a = (n.get("heads") ?? "").split(" ").flatMap((e) => xt(e) ?? []), o = {
		view: r("view", at.map(({ key: e }) => e)) ?? t.view,
		focus: {
			layer: i.layer,
			head: i.head,
			query: St(n.get("query")),
			key: St(n.get("key"))
		},
		heads: a.some((e) => G(e, i)) ? a.slice(0, 16) : [{
			layer: i.layer,
			head: i.head
		}],
		flow: r("flow", W.map(({ key: e }) => e)) ?? q.flow,
		special: r("special", ot) ?? q.special,
		scale: r("scale", st) ?? q.scale,
		top: r("top", ct) ?? q.top,
		order: n.get("order") ?? q.order,
		theme: r("theme", lt) ?? q.theme
	}, [s, c] = [n.get("a"), n.get("b")];
	return {
		state: o,
		texts: s === null ? null : c === null ? [s] : [s, c]
	};
}
function xt(e) {
	let [t, n, ...r] = (e ?? "").split(".").map(St);
	return t == null || n == null || r.length ? null : {
		layer: t,
		head: n
	};
}
function St(e) {
	return e !== null && /^\d{1,6}$/.test(e) ? Number(e) : null;
}
function Ct(e, t) {
	return Math.max(0, Math.min(t - 1, e));
}
// src/picture.ts
function wt(e, t) {
	let { trace: n } = e, r = t.heads.map((t) => e.pattern(t));
	if (!r.every((e) => e !== void 0)) return null;
	let i = t.special === "hidden" ? r.map((e) => Dt(e, n)) : null, a = i?.map((e) => e.weights) ?? r, o = He(t.flow, n.tokens);
	return {
		trace: n,
		heads: t.heads,
		focused: Math.max(0, t.heads.findIndex((e) => G(e, t.focus))),
		raw: r,
		weights: a,
		removed: kt(i?.map(({ removed: e }) => e) ?? [0]),
		kept: t.flow === "all" ? 1 : kt(a.map((e) => Ue(e, t.flow, n.tokens))),
		shown: gt(t, n.tokens),
		flow: t.flow,
		shows: o,
		scale: {
			sqrt: t.scale === "sqrt",
			top: t.top === "one" ? 1 : Ot(a, n.tokens.length, o)
		}
	};
}
function Tt(e, { query: t, key: n }) {
	return e || (t === null && n === null ? null : {
		query: t,
		key: n
	});
}
var Et = /* @__PURE__ */ new WeakMap();
function Dt(e, { tokens: t }) {
	let n = Et.get(e);
	return n || Et.set(e, n = Ve(e, t)), n;
}
function Ot(e, t, n) {
	let r = 0;
	for (let i of e) i.forEach((e, i) => {
		e > r && n(Math.floor(i / t), i % t) && (r = e);
	});
	return r || 1;
}
function kt(e) {
	return e.reduce((e, t) => e + t, 0) / e.length;
}
// src/views/paint.ts
var At = .035, jt = 700, Mt = 5e3, Nt = 256;
function Pt(e, { top: t, sqrt: n }) {
	let r = Math.min(1, e / t);
	return n ? Math.sqrt(r) : r;
}
function Ft(e, { top: t, sqrt: n }) {
	return (n ? e * e : e) * t;
}
function It(e, { shown: t }, n, r, i) {
	let a = /* @__PURE__ */ new Uint32Array(257), o = (a) => {
		let o = Ft(At, r);
		e.forEach(({ weights: e }, s) => {
			for (let c of t) for (let l of t) {
				let t = e[c * n + l];
				if (t < o || !i(c, l)) continue;
				let u = Pt(t, r);
				a(c, l, s, u, Math.min(255, Math.floor(u * Nt)));
			}
		});
	};
	o((e, t, n, r, i) => a[i]++);
	let s = Nt, c = 0;
	for (; s > 0 && c + a[s - 1] <= Mt;) c += a[--s];
	let l = new Uint32Array(Nt);
	for (let e = s, t = 0; e < Nt; e++) l[e] = t, t += a[e];
	let u = {
		query: new Uint32Array(c),
		key: new Uint32Array(c),
		layer: new Uint8Array(c),
		strength: new Float32Array(c),
		count: c,
		least: Ft(Math.max(At, s / Nt), r)
	};
	return o((e, t, n, r, i) => {
		if (i < s) return;
		let a = l[i]++;
		u.query[a] = e, u.key[a] = t, u.layer[a] = n, u.strength[a] = r;
	}), u;
}
function Lt(e, t, n, r, i, a) {
	let { middle: o } = r;
	for (let s = 0; s < t.count; s++) {
		let c = o[t.query[s]], l = o[t.key[s]];
		if (Math.max(c, l) < i || Math.min(c, l) > a) continue;
		let u = t.layer[s], d = Bt(u, n.length, r.rowHeight), f = t.strength[s] * Math.min(1, jt / Math.abs(c - l));
		zt(e, r, c + d, l + d, f, n[u].ink);
	}
}
function Rt(e, t) {
	let n = Math.min(5, t * .15);
	return {
		alpha: .04 + .89 * e ** 1.3,
		width: .6 + (n - .6) * e
	};
}
function zt(e, { curves: [t, n], rowHeight: r }, i, a, o, { colour: s, dashed: c }) {
	let l = (n - t) * .45, { alpha: u, width: d } = Rt(o, r);
	e.strokeStyle = s, e.globalAlpha = u, e.lineWidth = d, e.setLineDash(c ? [7, 5] : []), e.beginPath(), e.moveTo(t, i), e.bezierCurveTo(t + l, i, n - l, a, n, a), e.stroke();
}
function Bt(e, t, n) {
	let r = Math.min(3.5, n * .6 / t);
	return (e - (t - 1) / 2) * r;
}
function Vt(e, t, n) {
	let r = devicePixelRatio || 1, [i, a] = [Math.round(t * r), Math.round(n * r)];
	(e.width !== i || e.height !== a) && (e.width = i, e.height = a, e.style.width = `${t}px`, e.style.height = `${n}px`);
	let o = e.getContext("2d");
	return o.setTransform(r, 0, 0, r, 0, 0), o.clearRect(0, 0, t, n), o.lineCap = "round", o;
}
// src/parts/px.ts
function X(e) {
	return Object.fromEntries(Object.entries(e).map(([e, t]) => [e, `${t}px`]));
}
// src/parts/rank.ts
function Ht(e, t) {
	let n = e.layers * e.heads;
	return e.metrics.flatMap((r, i) => {
		let a = e.metricValues.subarray(i * n, (i + 1) * n), o = Ze(e, i, t);
		return Number.isNaN(o) || !a.some((e) => e > 0) ? [] : [{
			metric: r,
			index: i,
			value: o,
			rank: 1 + a.reduce((e, t) => e + +(t > o), 0)
		}];
	});
}
function Ut(e, t) {
	return Ht(e, t).sort((e, t) => e.rank - t.rank);
}
function Wt(e) {
	let t = e % 100;
	return `${e}${t > 10 && t < 14 ? "th" : [
		"th",
		"st",
		"nd",
		"rd"
	][e % 10] ?? "th"}`;
}
// src/parts/size.ts
function Gt(e) {
	let [t, n] = R({
		width: 0,
		height: 0
	});
	return z(() => {
		let t = e.current;
		if (!t) return;
		let r = () => {
			let { clientWidth: e, clientHeight: r } = t;
			n((t) => t.width === e && t.height === r ? t : {
				width: e,
				height: r
			});
		};
		r();
		let i = new ResizeObserver(r);
		return i.observe(t), () => i.disconnect();
	}, [e]), t;
}
// node_modules/preact/jsx-runtime/dist/jsxRuntime.mjs
var Kt = Symbol.for("pv"), qt = 0;
Array.isArray;
function Z(t, n, r, i, a, o) {
	n ||= {};
	var s, c, l = n;
	if ("ref" in l && typeof t != "function") for (c in l = {}, n) c == "ref" ? s = n[c] : l[c] = n[c];
	var u = {
		type: t,
		props: l,
		key: r,
		ref: s,
		__k: null,
		__: null,
		__b: 0,
		__e: null,
		__c: null,
		constructor: Kt,
		__v: --qt,
		__i: -1,
		__u: 0
	};
	return (a || o) && (u.__source = a, u.__self = o), e.vnode && e.vnode(u), u;
}
// src/parts/atlas.tsx
var Q = {
	left: 24,
	top: 18
}, Jt = 56, Yt = 1.45, Xt = {
	width: 236,
	picture: 208,
	height: 330
};
function Zt({ session: e, trace: t, palette: n }) {
	let r = U(e.state), i = B(null), a = B(null), { width: o } = Gt(i), [s, c] = R(null), l = t.metrics.findIndex(({ key: e }) => e === r.order), u = V(() => l < 0 ? Qe(t) : $e(t, l), [t, l]), d = V(() => $t(t, o), [
		t.layers,
		t.heads,
		o
	]), f = V(() => on(t, n), [t, n]);
	z(() => {
		a.current && o && ln(a.current, f, u, d, t.side);
	}, [
		f,
		u,
		d
	]);
	let p = (e) => {
		let { left: t, top: n } = a.current.getBoundingClientRect(), r = Math.floor((e.clientX - t) / d.cell), i = Math.floor((e.clientY - n) / d.cell);
		return r >= 0 && r < d.columns && i >= 0 ? u[i * d.columns + r] ?? null : null;
	}, m = (t) => {
		let n = p(t);
		n && e.update((e) => t.shiftKey ? dt(e, n) : J(e, n));
	}, h = (t) => {
		let n = p(t);
		n && e.update((e) => J(e, n));
	}, g = (e) => {
		let t = e.pointerType === "touch" ? null : p(e);
		s && t && G(s, t) || c(t);
	}, _ = (e) => en(u.findIndex((t) => G(t, e)), d), { focus: v } = r;
	return /* @__PURE__ */ Z("section", {
		class: "atlas",
		"aria-label": "All heads",
		children: [
			/* @__PURE__ */ Z("div", {
				class: "heading",
				children: [/* @__PURE__ */ Z("h2", { children: "All heads" }), /* @__PURE__ */ Z(Qt, {
					session: e,
					trace: t,
					order: r.order
				})]
			}),
			/* @__PURE__ */ Z("div", {
				class: "thumbnails",
				ref: i,
				role: "grid",
				tabIndex: 0,
				"aria-label": `${t.layers} layers by ${t.heads} heads. Arrow keys choose, with Shift they add.`,
				"aria-rowcount": t.layers,
				"aria-colcount": t.heads,
				"aria-activedescendant": "atlas-focus",
				"aria-multiselectable": "true",
				"data-testid": "atlas",
				"data-heads": u.length,
				style: X({ height: Q.top + d.rows * d.cell + 2 }),
				children: [
					/* @__PURE__ */ Z("div", {
						role: "row",
						"aria-rowindex": v.layer + 1,
						class: "unseen",
						children: /* @__PURE__ */ Z("div", {
							role: "gridcell",
							id: "atlas-focus",
							"aria-colindex": v.head + 1,
							"aria-selected": "true",
							children: tt(t, v)
						})
					}),
					o > 0 && /* @__PURE__ */ Z(nn, {
						grid: d,
						trace: t,
						order: u,
						metric: l,
						focus: l < 0 ? v : null
					}),
					/* @__PURE__ */ Z("div", {
						class: "cells",
						style: X({
							left: Q.left,
							top: Q.top,
							width: d.columns * d.cell
						}),
						onClick: m,
						onDblClick: h,
						onPointerMove: g,
						onPointerLeave: () => c(null),
						children: [
							/* @__PURE__ */ Z("canvas", {
								ref: a,
								"data-testid": "atlas-canvas",
								"aria-hidden": "true"
							}),
							o > 0 && r.heads.map((e, i) => /* @__PURE__ */ Z(an, {
								place: _(e),
								grid: d,
								kind: G(e, v) ? "focused" : "drawn",
								colour: r.heads.length > 1 ? Fe(i, r.heads.length, n).colour : void 0
							}, K(t, e))),
							s && /* @__PURE__ */ Z(an, {
								place: _(s),
								grid: d,
								kind: "hovered"
							})
						]
					})
				]
			}),
			s && a.current && /* @__PURE__ */ Z(dn, {
				trace: t,
				id: s,
				sheet: f,
				corner: un(a.current, _(s), d)
			})
		]
	});
}
function Qt({ session: e, trace: t, order: n }) {
	return /* @__PURE__ */ Z("select", {
		"aria-label": "Order of the heads",
		"data-testid": "order",
		value: n,
		onChange: (t) => {
			let { value: n } = t.currentTarget;
			e.update((e) => ({
				...e,
				order: n
			}));
		},
		children: [/* @__PURE__ */ Z("option", {
			value: "layer",
			children: "by layer"
		}), t.metrics.map(({ key: e, label: t }) => /* @__PURE__ */ Z("option", {
			value: e,
			children: ["by ", t]
		}, e))]
	});
}
function $t({ layers: e, heads: t }, n) {
	let r = Math.max(3, Math.min(Jt, (n - Q.left) / t));
	return {
		columns: t,
		rows: e,
		cell: r,
		gap: r >= 14 ? 2 : +(r >= 7)
	};
}
function en(e, { columns: t, cell: n }) {
	return {
		left: Math.round(e % t * n),
		top: Math.round(Math.floor(e / t) * n)
	};
}
function tn({ cell: e, gap: t }) {
	return Math.max(2, Math.floor(e) - t + +!t);
}
function nn({ grid: e, trace: t, order: n, metric: r, focus: i }) {
	let a = (t) => Math.ceil(t / e.cell), o = Array.from({ length: e.rows }, (e, t) => t).filter((e) => e % a(13) === 0), s = Array.from({ length: e.columns }, (e, t) => t).filter((e) => e % a(20) === 0), c = (t) => n[t * e.columns];
	return /* @__PURE__ */ Z("div", {
		class: "rulers",
		"aria-hidden": "true",
		children: [r < 0 && s.map((t) => /* @__PURE__ */ Z("span", {
			class: "ruler top",
			"data-on": t === i?.head,
			style: X({
				left: Q.left + t * e.cell,
				width: e.cell
			}),
			children: t
		}, `c${t}`)), o.map((n) => /* @__PURE__ */ Z("span", {
			class: "ruler left",
			"data-on": n === i?.layer,
			style: X({
				top: Q.top + n * e.cell,
				height: e.cell,
				width: Q.left - 7
			}),
			children: r < 0 ? et(t, n) : rn(Ze(t, r, c(n)))
		}, `r${n}`))]
	});
}
function rn(e) {
	return Number.isNaN(e) ? "" : e < 1 ? e.toFixed(2).replace(/^0/, "") : e.toFixed(1);
}
function an({ place: e, grid: t, kind: n, colour: r }) {
	let i = tn(t);
	return /* @__PURE__ */ Z("i", {
		class: `outline ${n}`,
		style: {
			...X({
				...e,
				width: i,
				height: i
			}),
			color: r
		}
	});
}
function on({ atlas: e, layers: t, heads: n, side: r }, { dark: i, accent: a }) {
	let o = document.createElement("canvas");
	o.width = n * r, o.height = t * r;
	let s = o.getContext("2d"), c = s.createImageData(o.width, o.height), l = new Uint32Array(c.data.buffer), u = sn(i ? [
		26,
		28,
		33
	] : [
		242,
		242,
		239
	], cn(a)), d = 0;
	for (let i = 0; i < t; i++) for (let t = 0; t < n; t++) for (let n = 0; n < r; n++) {
		let a = (i * r + n) * o.width + t * r;
		for (let t = 0; t < r; t++) l[a + t] = u[e[d++]];
	}
	return s.putImageData(c, 0, 0), o;
}
function sn(e, t) {
	return Uint32Array.from({ length: 256 }, (n, r) => {
		let i = (r / 255) ** Yt, [a, o, s] = e.map((e, n) => Math.round(e + (t[n] - e) * i));
		return 255 << 24 | s << 16 | o << 8 | a;
	});
}
function cn(e) {
	return [
		1,
		3,
		5
	].map((t) => Number.parseInt(e.slice(t, t + 2), 16));
}
function ln(e, t, n, r, i) {
	let a = Vt(e, r.columns * r.cell, r.rows * r.cell), o = tn(r);
	a.imageSmoothingEnabled = o * devicePixelRatio < i * 3, a.imageSmoothingQuality = "high", n.forEach(({ layer: e, head: n }, s) => {
		let { left: c, top: l } = en(s, r);
		a.drawImage(t, n * i, e * i, i, i, c, l, o, o);
	});
}
function un(e, t, n) {
	let r = e.getBoundingClientRect(), i = r.left + n.columns * n.cell + 14, a = i + Xt.width < innerWidth ? i : Math.max(8, innerWidth - Xt.width - 8), o = r.top + t.top - 12;
	return {
		left: a,
		top: Math.max(8, Math.min(o, innerHeight - Xt.height - 8))
	};
}
function dn({ trace: e, id: t, sheet: n, corner: r }) {
	let i = B(null);
	z(() => {
		let { picture: r } = Xt, a = Vt(i.current, r, r);
		a.imageSmoothingEnabled = !1, a.drawImage(n, t.head * e.side, t.layer * e.side, e.side, e.side, 0, 0, r, r);
	}, [n, t]);
	let a = e.layers * e.heads / 10, o = Ut(e, t).filter(({ rank: e }, t) => t === 0 || t < 3 && e <= a);
	return /* @__PURE__ */ Z("div", {
		class: "card",
		style: X(r),
		"data-testid": "card",
		children: [
			/* @__PURE__ */ Z("strong", { children: tt(e, t) }),
			/* @__PURE__ */ Z("canvas", { ref: i }),
			/* @__PURE__ */ Z("p", {
				class: "axes",
				children: "rows look, columns are looked at"
			}),
			o.map(({ metric: e, value: t, rank: n }) => /* @__PURE__ */ Z("p", {
				class: "row",
				children: [
					/* @__PURE__ */ Z("span", { children: e.label }),
					/* @__PURE__ */ Z("span", {
						class: "figure",
						children: t.toFixed(2)
					}),
					/* @__PURE__ */ Z("span", {
						class: "rank",
						children: Wt(n)
					})
				]
			}, e.key))
		]
	});
}
// src/parts/finder.tsx
var fn = 3;
function pn({ session: e, trace: t }) {
	let { heads: n } = U(e.state), r = V(() => Ht(t, {
		layer: 0,
		head: 0
	}), [t]);
	return /* @__PURE__ */ Z("section", {
		class: "finder",
		"aria-label": "Find a head",
		children: [/* @__PURE__ */ Z("h2", { children: "Find a head" }), /* @__PURE__ */ Z("dl", { children: r.map(({ metric: r, index: i }) => /* @__PURE__ */ Z("div", {
			title: r.about,
			"data-testid": `find-${r.key}`,
			children: [/* @__PURE__ */ Z("dt", { children: r.label }), /* @__PURE__ */ Z("dd", { children: $e(t, i).slice(0, fn).map((r) => /* @__PURE__ */ Z("button", {
				class: "chip",
				"aria-pressed": n.some((e) => G(e, r)),
				title: tt(t, r),
				onClick: (t) => e.update((e) => t.shiftKey ? dt(e, r) : J(e, r)),
				children: [
					K(t, r),
					" ",
					/* @__PURE__ */ Z("span", {
						class: "figure",
						children: Ze(t, i, r).toFixed(2)
					})
				]
			}, K(t, r))) })]
		}, r.key)) })]
	});
}
// src/parts/footer.tsx
function mn({ trace: e }) {
	let { tokens: t, tracedMs: n, card: r } = e;
	return /* @__PURE__ */ Z("footer", {
		class: "footer",
		children: [/* @__PURE__ */ Z("p", {
			"data-testid": "numerics",
			children: [
				/* @__PURE__ */ Z("span", { children: [t.length, " tokens"] }),
				n !== null && /* @__PURE__ */ Z("span", { children: [
					"traced in ",
					n < 10 ? n.toFixed(1) : Math.round(n),
					" ms"
				] }),
				/* @__PURE__ */ Z("span", { children: [
					r.dtype,
					" weights, ",
					r.kernel,
					" arithmetic"
				] }),
				/* @__PURE__ */ Z("span", { children: ["largest |row sum − 1| ", hn(r.row_sum_error)] })
			]
		}), /* @__PURE__ */ Z("p", {
			class: "keys",
			"aria-hidden": "true",
			children: [
				/* @__PURE__ */ Z("span", { children: [
					/* @__PURE__ */ Z("kbd", { children: "←" }),
					" ",
					/* @__PURE__ */ Z("kbd", { children: "→" }),
					" head"
				] }),
				/* @__PURE__ */ Z("span", { children: [
					/* @__PURE__ */ Z("kbd", { children: "↑" }),
					" ",
					/* @__PURE__ */ Z("kbd", { children: "↓" }),
					" layer"
				] }),
				/* @__PURE__ */ Z("span", { children: [
					/* @__PURE__ */ Z("kbd", { children: "j" }),
					" ",
					/* @__PURE__ */ Z("kbd", { children: "k" }),
					" token"
				] }),
				/* @__PURE__ */ Z("span", { children: [/* @__PURE__ */ Z("kbd", { children: "?" }), " keys"] })
			]
		})]
	});
}
function hn(e) {
	return e === 0 ? "0" : e.toExponential(1).replace("-", "−");
}
// src/parts/help.tsx
var gn = [
	["← →", "previous, next head"],
	["↑ ↓", "layer above, below"],
	["Shift + arrow", "add that head to the picture"],
	["j k", "next, previous token"],
	["Esc", "free the pinned token"],
	["1 2", "head view, token table"],
	["f", "next edge filter"],
	["s", "special tokens on, off"],
	["?", "this page"]
];
function _n({ open: e, onClose: t }) {
	let n = B(null);
	return z(() => {
		e && !n.current.open && n.current.showModal(), !e && n.current.open && n.current.close();
	}, [e]), /* @__PURE__ */ Z("dialog", {
		ref: n,
		class: "help",
		"aria-labelledby": "help-title",
		"data-testid": "help-page",
		onClose: t,
		onClick: (e) => e.target === n.current && t(),
		children: /* @__PURE__ */ Z("div", {
			class: "help-body",
			children: [
				/* @__PURE__ */ Z("div", {
					class: "heading",
					children: [/* @__PURE__ */ Z("h2", {
						id: "help-title",
						children: "Reading the picture"
					}), /* @__PURE__ */ Z("button", {
						class: "icon",
						"aria-label": "Close",
						onClick: t,
						children: "×"
					})]
				}),
				/* @__PURE__ */ Z("p", { children: "Each token on the left attends to the tokens on the right. A curve’s width and opacity show the weight; the weights of one token add up to 1. Hover over a token to see its weights as numbers, click to pin it. On the right side the same shows which tokens attend to it. In a long text, curves that reach far are drawn thinner, so that they do not bury the others." }),
				/* @__PURE__ */ Z("p", { children: "The thumbnails at the left are all heads. Click one to draw it, Shift-click to draw several, double-click to draw one alone. Without special tokens the remaining weights are scaled to add up to 1 again, and the amount taken out is stated." }),
				/* @__PURE__ */ Z("p", { children: "Attention shows where a head reads. It does not show why the model answers as it does." }),
				/* @__PURE__ */ Z("dl", {
					class: "keytable",
					children: gn.map(([e, t]) => /* @__PURE__ */ Z("div", { children: [/* @__PURE__ */ Z("dt", { children: /* @__PURE__ */ Z("kbd", { children: e }) }), /* @__PURE__ */ Z("dd", { children: t })] }, e))
				})
			]
		})
	});
}
// src/model/piece.ts
var vn = 64, yn = {
	" ": "␣",
	Ġ: "␣",
	"▁": "␣",
	"\xA0": "⍽",
	"\n": "⏎",
	Ċ: "⏎",
	"\r": "␍",
	"	": "⇥",
	ĉ: "⇥",
	"­": "SHY",
	"؜": "ALM",
	"​": "ZWSP",
	"‌": "ZWNJ",
	"‍": "ZWJ",
	"‎": "LRM",
	"‏": "RLM",
	"\u2028": "LS",
	"\u2029": "PS",
	"‪": "LRE",
	"‫": "RLE",
	"‬": "PDF",
	"‭": "LRO",
	"‮": "RLO",
	"⁠": "WJ",
	"⁦": "LRI",
	"⁧": "RLI",
	"⁨": "FSI",
	"⁩": "PDI",
	"﻿": "BOM"
};
function bn(e) {
	if (e.startsWith("##") && e.length > 2) return [{
		text: "##",
		as: "join"
	}, ...bn(e.slice(2))];
	let t = [...e.slice(0, 128)], n = [];
	return t.slice(0, vn).forEach((e, r) => {
		let i = Sn(e, t, r), a = n[n.length - 1];
		i ? n.push({
			text: i,
			as: "sign"
		}) : a?.as === "text" ? a.text += e : n.push({
			text: e,
			as: "text"
		});
	}), t.length > vn && n.push({
		text: "…",
		as: "sign"
	}), n;
}
function xn(e) {
	return bn(e).map(({ text: e }) => e).join("");
}
function Sn(e, t, n) {
	if ((e === "‍" || e === "‌") && n > 0 && n + 1 < t.length) return null;
	let r = e.codePointAt(0);
	return r < 32 && !(e in yn) ? String.fromCodePoint(9216 + r) : r === 127 ? "␡" : yn[e] ?? null;
}
// src/parts/piece.tsx
function $({ of: e }) {
	return /* @__PURE__ */ Z("bdi", {
		class: "piece",
		children: bn(e).map(({ text: e, as: t }) => t === "text" ? e : t === "join" ? /* @__PURE__ */ Z(Cn, { text: e }) : /* @__PURE__ */ Z("span", {
			class: "sign",
			children: e
		}))
	});
}
function Cn({ text: e }) {
	return /* @__PURE__ */ Z("span", {
		class: "join",
		children: /* @__PURE__ */ Z("span", {
			class: "unseen",
			children: e
		})
	});
}
// src/parts/inspector.tsx
var wn = 6, Tn = {
	query: null,
	key: null
};
function En({ session: e, picture: t, palette: n }) {
	let r = U(e.hover), { focus: i } = U(e.state), a = Tt(r, i), o = t.heads[t.focused], s = !r && a !== null;
	return /* @__PURE__ */ Z("section", {
		class: "inspector",
		"aria-label": "Inspector",
		"data-testid": "inspector",
		children: [
			/* @__PURE__ */ Z("h2", {
				class: "title",
				children: tt(t.trace, o)
			}),
			/* @__PURE__ */ Z("p", {
				class: "subject",
				"data-testid": "subject",
				children: [
					/* @__PURE__ */ Z(Dn, {
						slice: a,
						trace: t.trace
					}),
					s && /* @__PURE__ */ Z("span", {
						class: "pinned",
						children: " · pinned"
					}),
					t.weights !== t.raw && /* @__PURE__ */ Z("span", {
						class: "pinned",
						children: " · renormalised"
					})
				]
			}),
			/* @__PURE__ */ Z(kn, {
				slice: a ?? Tn,
				picture: t,
				palette: n
			}),
			/* @__PURE__ */ Z(jn, {
				slice: a ?? Tn,
				picture: t
			}),
			/* @__PURE__ */ Z(Pn, {
				trace: t.trace,
				id: o
			})
		]
	});
}
function Dn({ slice: e, trace: t }) {
	let n = (e) => /* @__PURE__ */ Z(On, {
		trace: t,
		index: e
	});
	if (!e) return /* @__PURE__ */ Z(y, { children: "strongest weights of the whole text" });
	let { query: r, key: i } = e;
	return r !== null && i !== null ? /* @__PURE__ */ Z(y, { children: [
		n(r),
		" attends to ",
		n(i)
	] }) : r === null ? /* @__PURE__ */ Z(y, { children: [n(i), " is attended to by"] }) : /* @__PURE__ */ Z(y, { children: [n(r), " attends to"] });
}
function On({ trace: e, index: t }) {
	return /* @__PURE__ */ Z("span", {
		class: "quoted",
		children: [
			"“",
			/* @__PURE__ */ Z($, { of: e.tokens[t].piece }),
			"”"
		]
	});
}
function kn({ slice: e, picture: t, palette: n }) {
	let { trace: r, weights: i, heads: a, shows: o, shown: s } = t, c = V(() => {
		let t = new Set(s);
		return Be(i, r.tokens.length, e, wn, (e, n) => t.has(e) && t.has(n) && o(e, n));
	}, [
		e.query,
		e.key,
		t
	]), l = a.length > 1;
	return /* @__PURE__ */ Z("ol", {
		class: "edges",
		"data-testid": "strongest",
		"data-from": e.query === null ? e.key === null ? "text" : "key" : "query",
		children: [c.map(({ query: t, key: i, of: o, weight: s }) => /* @__PURE__ */ Z("li", { children: [
			/* @__PURE__ */ Z("span", {
				class: "ends",
				children: [
					l && /* @__PURE__ */ Z(An, {
						name: K(r, a[o]),
						colour: Fe(o, a.length, n).colour
					}),
					e.query === null && /* @__PURE__ */ Z($, { of: r.tokens[t].piece }),
					e.query === null && e.key === null && /* @__PURE__ */ Z("span", {
						class: "arrow",
						children: "→"
					}),
					e.key === null && /* @__PURE__ */ Z($, { of: r.tokens[i].piece }),
					e.query !== null && e.key !== null && /* @__PURE__ */ Z($, { of: r.tokens[i].piece })
				]
			}),
			/* @__PURE__ */ Z("span", {
				class: "bar",
				children: /* @__PURE__ */ Z("i", { style: {
					width: `${s * 100}%`,
					background: l ? Fe(o, a.length, n).colour : void 0
				} })
			}),
			/* @__PURE__ */ Z("span", {
				class: "figure",
				children: s.toFixed(3)
			})
		] }, `${t} ${i} ${o}`)), c.length === 0 && /* @__PURE__ */ Z("li", {
			class: "none",
			children: "No edge here passes the filter."
		})]
	});
}
function An({ name: e, colour: t }) {
	return /* @__PURE__ */ Z("span", {
		class: "headsign",
		children: [/* @__PURE__ */ Z("i", { style: { background: t } }), e]
	});
}
function jn({ slice: e, picture: t }) {
	let { trace: n, raw: r, focused: i } = t, { tokens: a } = n, o = V(() => ze(r[i], a, e), [
		r,
		i,
		e.query,
		e.key
	]), s = o.reduce((e, t) => e + t, 0), c = We(o), l = Ie.map((e, t) => ({
		...e,
		share: c[t]
	})).filter(({ key: e }) => e !== "other" || Ge(a));
	return /* @__PURE__ */ Z(Ln, {
		title: /* @__PURE__ */ Z(Mn, {
			slice: e,
			trace: n
		}),
		value: Nn(e, s, a.length),
		children: [/* @__PURE__ */ Z("div", {
			class: "mass",
			"aria-hidden": "true",
			children: l.map(({ key: e, share: t }) => /* @__PURE__ */ Z("i", {
				class: `kind ${e}`,
				style: { width: `${t}%` }
			}, e))
		}), /* @__PURE__ */ Z("dl", {
			class: "kinds",
			"data-testid": "kinds",
			children: l.map(({ key: e, label: t, share: n }) => /* @__PURE__ */ Z("div", {
				"data-kind": e,
				children: [/* @__PURE__ */ Z("dt", { children: [
					/* @__PURE__ */ Z("i", { class: `kind ${e}` }),
					" ",
					t
				] }), /* @__PURE__ */ Z("dd", {
					class: "figure",
					children: [n.toFixed(1), " %"]
				})]
			}, e))
		})]
	});
}
function Mn({ slice: { query: e, key: t }, trace: n }) {
	return e === null ? t === null ? /* @__PURE__ */ Z(y, { children: "The weight of this head" }) : /* @__PURE__ */ Z(y, { children: ["The weight on ", /* @__PURE__ */ Z(On, {
		trace: n,
		index: t
	})] }) : /* @__PURE__ */ Z(y, { children: ["The weight of ", /* @__PURE__ */ Z(On, {
		trace: n,
		index: e
	})] });
}
function Nn({ query: e, key: t }, n, r) {
	return e === null ? t === null ? "100 %" : `${n.toFixed(2)} of ${r}` : n > .9995 ? "100 %" : `${(n * 100).toFixed(1)} %`;
}
function Pn({ trace: e, id: t }) {
	return /* @__PURE__ */ Z(Ln, {
		title: "This head, this text",
		value: `among ${e.layers * e.heads}`,
		children: [/* @__PURE__ */ Z("dl", {
			class: "metrics",
			children: Ht(e, t).map((t) => /* @__PURE__ */ Z("div", {
				title: t.metric.about,
				children: [/* @__PURE__ */ Z("dt", { children: [t.metric.label, t.metric.unit && `, ${t.metric.unit}`] }), /* @__PURE__ */ Z("dd", { children: [
					/* @__PURE__ */ Z(In, {
						trace: e,
						standing: t
					}),
					/* @__PURE__ */ Z("span", {
						class: "figure",
						children: Fn(t.value)
					}),
					/* @__PURE__ */ Z("span", {
						class: "rank",
						children: Wt(t.rank)
					})
				] })]
			}, t.metric.key))
		}), /* @__PURE__ */ Z("p", {
			class: "caution",
			children: "From this text alone. Look at many texts before you name a head."
		})]
	});
}
function Fn(e) {
	return e.toFixed(e < 100 ? 2 : 0);
}
function In({ trace: e, standing: { index: t, value: n } }) {
	let r = e.layers * e.heads, { path: i, at: a } = V(() => {
		let i = e.metricValues.subarray(t * r, (t + 1) * r), a = i.reduce((e, t) => t > e ? t : e, 0) || 1, o = (e) => (1 + e / a * 38).toFixed(1);
		return {
			path: [...i].filter((e) => e >= 0).map((e) => `M${o(e)} 3V9`).join(""),
			at: o(n)
		};
	}, [
		e,
		t,
		n
	]);
	return /* @__PURE__ */ Z("svg", {
		class: "strip",
		width: "40",
		height: "12",
		"aria-hidden": "true",
		children: [/* @__PURE__ */ Z("path", {
			class: "ticks",
			d: i
		}), /* @__PURE__ */ Z("path", {
			class: "tick",
			d: `M${a} 0V12`
		})]
	});
}
function Ln({ title: e, value: t, children: n }) {
	return /* @__PURE__ */ Z("div", {
		class: "group",
		children: [/* @__PURE__ */ Z("div", {
			class: "heading",
			children: [/* @__PURE__ */ Z("h3", { children: e }), t && /* @__PURE__ */ Z("span", {
				class: "figure",
				children: t
			})]
		}), n]
	});
}
// src/views/layout.ts
var Rn = {
	least: 19,
	most: 54,
	free: 31
}, zn = 520, Bn = 440, Vn = 10;
function Hn(e, t, n, r) {
	let i = n.width < zn, a = Wn(e, t), o = ((n.height ?? (t.length + 1) * Rn.free) - 4) / (t.length + a * .3), s = Math.max(Rn.least, Math.min(Rn.most, Math.floor(o))), c = Math.max(12, Math.min(17, 8 + s * .2)), l = Un(e, t, s), u = n.width > 600, d = u ? 102 : 38, f = Gn(e) ? i ? 18 : 30 : 0, p = i ? 10 : 22, m = n.width - 2 * (d + p + Vn) - f, h = Math.max(0, ...t.map((t) => r(e[t]))) * c + 20, g = Math.max(48, Math.min(h, m * .32, 190)), _ = Math.min(Bn, m - 2 * g + 20), v = (n.width - _ - f) / 2 + f;
	return {
		width: n.width,
		height: l.height,
		rowHeight: s,
		type: c,
		shown: t,
		middle: l.middle,
		curves: [v + Vn, v + _ - Vn],
		column: g,
		numbers: d,
		bracket: f,
		bars: u
	};
}
function Un(e, t, n) {
	let r = new Float32Array(e.length).fill(NaN), i = 2;
	return t.forEach((a, o) => {
		o > 0 && e[a].segment !== e[t[o - 1]].segment && (i += n * .3), r[a] = i + n / 2, i += n;
	}), {
		middle: r,
		height: Math.ceil(i + 2)
	};
}
function Wn(e, t) {
	return t.filter((n, r) => r > 0 && e[n].segment !== e[t[r - 1]].segment).length;
}
function Gn(e) {
	return e.some((t) => t.segment !== e[0].segment);
}
function Kn({ shown: e, middle: t, rowHeight: n }, r) {
	let [i, a] = [0, e.length - 1];
	for (; i <= a;) {
		let o = i + a >> 1, s = r - t[e[o]];
		if (Math.abs(s) <= n / 2) return e[o];
		s < 0 ? a = o - 1 : i = o + 1;
	}
	return null;
}
function qn({ shown: e, middle: t, rowHeight: n }, r) {
	let i = [];
	for (let a of e) {
		let e = i[i.length - 1], o = t[a] + n / 2;
		e?.segment === r[a].segment ? e.bottom = o : i.push({
			segment: r[a].segment,
			top: o - n,
			bottom: o
		});
	}
	return i;
}
// src/views/head.tsx
var Jn = 5e-4, Yn = .05;
function Xn({ session: e, picture: t, palette: n }) {
	let r = B(null), i = B(null), a = B(null), o = Gt(r), { tokens: s } = t.trace, { focus: c } = U(e.state), l = V(() => Hn(s, t.shown, mr(r.current, o), hr(r.current)), [
		s,
		t.shown.length,
		o
	]), u = V(() => Qn(t, n), [t, n]), d = V(() => It(u, l, s.length, t.scale, t.shows), [
		u,
		l,
		t
	]), [f, p] = dr(r, l, o.height);
	z(() => {
		if (!o.width || !a.current) return;
		let e = Vt(a.current, l.width, f.height);
		e.translate(0, -f.top), Lt(e, d, u, l, f.top, f.top + f.height), gr();
	}, [
		d,
		u,
		l,
		f
	]), z(() => {
		let e = c.query ?? c.key;
		e !== null && r.current && pr(r.current, l, e);
	}, [
		c.query,
		c.key,
		l
	]);
	let m = V(() => ["query", "key"].map((t) => /* @__PURE__ */ Z($n, {
		side: t,
		session: e,
		tokens: s,
		layout: l,
		pinned: c[t]
	}, t)), [
		e,
		s,
		l,
		c.query,
		c.key
	]);
	return /* @__PURE__ */ Z(y, { children: [/* @__PURE__ */ Z("div", {
		class: "scroller",
		ref: r,
		onScroll: p,
		"data-testid": "head-view",
		children: /* @__PURE__ */ Z("div", {
			class: "picture",
			ref: i,
			style: X({ height: l.height }),
			children: [
				/* @__PURE__ */ Z("canvas", {
					class: "base",
					ref: a,
					style: X({ top: f.top }),
					"aria-hidden": "true"
				}),
				/* @__PURE__ */ Z(rr, {
					session: e,
					picture: t,
					palette: n,
					layout: l,
					layers: u,
					band: f,
					frame: i,
					scroller: r
				}),
				l.bracket > 0 && /* @__PURE__ */ Z(tr, {
					layout: l,
					tokens: s
				}),
				o.width > 0 && m
			]
		})
	}), /* @__PURE__ */ Z(Zn, {
		scale: t.scale,
		least: d.least,
		layout: l,
		colour: n.accent
	})] });
}
function Zn({ scale: e, least: t, layout: n, colour: r }) {
	return /* @__PURE__ */ Z("p", {
		class: "scale-key",
		"data-testid": "scale-key",
		children: [[
			.01,
			.1,
			.5,
			1
		].map((t) => t * e.top).filter((e) => e >= t).map((t) => {
			let { alpha: i, width: a } = Rt(Pt(t, e), n.rowHeight);
			return /* @__PURE__ */ Z("span", { children: [/* @__PURE__ */ Z("svg", {
				width: "26",
				height: "8",
				"aria-hidden": "true",
				children: /* @__PURE__ */ Z("path", {
					d: "M3 4H23",
					stroke: r,
					"stroke-linecap": "round",
					"stroke-opacity": i,
					"stroke-width": a
				})
			}), Number(t.toPrecision(2))] }, t);
		}), /* @__PURE__ */ Z("span", { children: [
			"weights under ",
			t.toPrecision(1),
			" are not drawn"
		] })]
	});
}
function Qn({ weights: e }, t) {
	return e.map((n, r) => ({
		weights: n,
		ink: Fe(r, e.length, t)
	}));
}
function $n({ side: e, session: t, tokens: n, layout: r, pinned: i }) {
	let { curves: a, column: o } = r, s = e === "query" ? a[0] - o - 6 : a[1] + 6, c = (e) => {
		let t = e.currentTarget.getBoundingClientRect().top;
		return Kn(r, e.clientY - t);
	};
	return /* @__PURE__ */ Z("div", {
		class: `column ${e}`,
		role: "listbox",
		tabIndex: 0,
		"aria-label": e === "query" ? "Tokens that attend" : "Tokens attended to",
		"aria-activedescendant": i === null ? void 0 : `${e}-${i}`,
		"data-testid": `${e}-column`,
		style: X({
			left: s,
			width: o,
			fontSize: r.type
		}),
		onPointerMove: (n) => {
			if (n.pointerType === "touch") return;
			let r = c(n), i = t.hover.value;
			if (r === null || i && i[e] === r) return;
			let a = performance.now();
			t.hover.set({
				query: null,
				key: null,
				[e]: r
			}), nr = a;
		},
		onPointerLeave: () => t.hover.set(null),
		onClick: (n) => {
			let r = c(n);
			r !== null && String(getSelection() ?? "") === "" && t.update((t) => pt(t, e, r));
		},
		children: r.shown.map((t) => /* @__PURE__ */ Z("div", {
			id: `${e}-${t}`,
			role: "option",
			"aria-selected": t === i,
			class: n[t].special ? "token special" : "token",
			style: X({
				top: r.middle[t] - r.rowHeight / 2,
				height: r.rowHeight
			}),
			"data-testid": `${e}-token`,
			"data-index": t,
			title: er(n[t]) ? xn(n[t].piece) : void 0,
			children: /* @__PURE__ */ Z($, { of: n[t].piece })
		}, t))
	});
}
function er(e) {
	return e.piece.length > 12;
}
function tr({ layout: e, tokens: t }) {
	let n = e.curves[0] - e.column - e.bracket + 18;
	return /* @__PURE__ */ Z(y, { children: qn(e, t).map(({ segment: e, top: t, bottom: r }) => /* @__PURE__ */ Z("div", {
		class: "bracket",
		style: X({
			left: n,
			top: t + 4,
			height: r - t - 8
		}),
		"aria-hidden": "true",
		children: /* @__PURE__ */ Z("span", { children: "AB"[e] ?? e })
	}, t)) });
}
var nr = null;
function rr({ session: e, picture: t, palette: n, layout: r, layers: i, band: a, frame: o, scroller: s }) {
	let c = B(null), l = U(e.hover), { focus: u } = U(e.state), d = Tt(l, u);
	z(() => {
		if (o.current?.toggleAttribute("data-active", d !== null), !c.current) return;
		let e = Vt(c.current, r.width, a.height);
		e.translate(0, -a.top), d && ir(e, d, t, i, r, n.looked), _r();
	}, [
		d?.query,
		d?.key,
		t,
		r,
		i,
		a
	]), z(() => {
		if (d && o.current) return ur(o.current, d, or(d, t, r));
	}, [
		d?.query,
		d?.key,
		t,
		r
	]);
	let f = d?.query == null ? "key" : "query", p = d?.[f];
	return /* @__PURE__ */ Z(y, { children: [/* @__PURE__ */ Z("canvas", {
		class: "over",
		ref: c,
		style: X({ top: a.top }),
		"aria-hidden": "true"
	}), d && p != null && !Number.isNaN(r.middle[p]) && /* @__PURE__ */ Z(y, { children: [
		/* @__PURE__ */ Z(cr, {
			side: f,
			index: p,
			layout: r
		}),
		["above", "below"].map((e) => /* @__PURE__ */ Z(sr, {
			where: e,
			side: f,
			scroller: s,
			joined: or(d, t, r),
			picture: t,
			layout: r
		}, e)),
		or(d, t, r).filter(({ index: e }) => Math.abs(r.middle[e] - a.top - a.height / 2) < a.height / 2 + 40).map(({ index: e, weights: t, mean: n }) => /* @__PURE__ */ Z(lr, {
			side: f,
			index: e,
			weights: t,
			mean: n,
			layout: r,
			layers: i
		}, e))
	] })] });
}
function ir(e, t, { weights: n, scale: r, shows: i, shown: a, trace: o }, s, c, l) {
	let u = o.tokens.length, d = s.flatMap((e, o) => ar(t, a).flatMap((e) => {
		let a = t.query ?? e, s = t.query === null ? t.key : e, c = Pt(n[o][a * u + s], r);
		return c > .01 && i(a, s) ? [{
			query: a,
			key: s,
			layer: o,
			strength: c
		}] : [];
	}));
	d.sort((e, t) => e.strength - t.strength);
	for (let { query: n, key: r, layer: i, strength: a } of d) {
		let o = Bt(i, s.length, c.rowHeight), { ink: u } = s[i], d = s.length === 1 && t.query === null ? {
			...u,
			colour: l
		} : u;
		zt(e, c, c.middle[n] + o, c.middle[r] + o, .06 + .94 * a, d);
	}
}
function ar({ query: e, key: t }, n) {
	return e !== null && t !== null ? [t] : n;
}
function or(e, { weights: t, shows: n, trace: r }, { shown: i }) {
	let a = r.tokens.length;
	return ar(e, i).flatMap((r) => {
		let i = e.query ?? r, o = e.query === null ? e.key : r;
		if (!n(i, o)) return [];
		let s = t.map((e) => e[i * a + o]), c = s.reduce((e, t) => e + t, 0) / s.length;
		return c >= Jn ? [{
			index: r,
			weights: s,
			mean: c
		}] : [];
	});
}
function sr({ where: e, side: t, scroller: n, joined: r, picture: i, layout: a }) {
	let { top: o, height: s } = fr(n), { curves: c, column: l, middle: u } = a, d = r.filter(({ index: t, mean: n }) => {
		let r = u[t];
		return n >= Yn && (e === "above" ? r < o : r > o + s);
	});
	if (d.length === 0) return null;
	let { index: f, mean: p } = d.reduce((e, t) => t.mean > e.mean ? t : e), m = t === "query" ? { left: `${c[1] + 6}px` } : { right: `${a.width - c[0] + 6}px` };
	return /* @__PURE__ */ Z("div", {
		class: `beyond ${e}`,
		style: e === "below" ? X({ top: s - 26 }) : void 0,
		children: /* @__PURE__ */ Z("button", {
			style: {
				...m,
				maxWidth: `${l + a.numbers}px`
			},
			onClick: () => pr(n.current, a, f),
			children: [
				e === "above" ? "↑" : "↓",
				" ",
				/* @__PURE__ */ Z($, { of: i.trace.tokens[f].piece }),
				" ",
				/* @__PURE__ */ Z("span", {
					class: "figure",
					children: p.toFixed(3)
				})
			]
		})
	});
}
function cr({ side: e, index: t, layout: n }) {
	let { curves: r, column: i, rowHeight: a, middle: o } = n, s = Math.min(30, a - 2), c = e === "query" ? r[0] - i - 6 : r[1] + 2;
	return /* @__PURE__ */ Z("div", {
		class: `pill ${e}`,
		style: X({
			left: c,
			width: i + 4,
			height: s,
			top: o[t] - s / 2
		})
	});
}
function lr({ side: e, index: t, weights: n, mean: r, layout: i, layers: a }) {
	let { curves: o, column: s, bracket: c, numbers: l, middle: u, bars: d } = i, f = e === "query" ? o[1] + s + 10 : o[0] - s - 10 - c - l;
	return /* @__PURE__ */ Z("div", {
		class: `weight from-${e}`,
		"data-testid": "weight",
		"data-index": t,
		style: X({
			left: f,
			top: u[t],
			width: l
		}),
		children: [/* @__PURE__ */ Z("span", {
			class: "figure",
			children: r.toFixed(3)
		}), d && /* @__PURE__ */ Z("span", {
			class: "bar",
			children: n.map((e, t) => /* @__PURE__ */ Z("i", { style: {
				width: `${e / n.length * 100}%`,
				background: a.length > 1 ? a[t].ink.colour : void 0
			} }))
		})]
	});
}
function ur(e, t, n) {
	let r = t.query === null ? "key" : "query", i = r === "query" ? "key" : "query", a = n.filter(({ mean: e }) => e >= .1).map(({ index: e }) => `#${i}-${e}`), o = [`#${r}-${t[r]}`, ...a].flatMap((t) => [...e.querySelectorAll(t)]);
	for (let e of o) e.toggleAttribute("data-lit", !0);
	return () => {
		for (let e of o) e.toggleAttribute("data-lit", !1);
	};
}
function dr(e, t, n) {
	let r = Math.max(1, Math.min(t.height, Math.ceil(n * 2))), [i, a] = R(0), o = Math.max(0, Math.min(i, t.height - r)), s = V(() => ({
		top: o,
		height: r
	}), [o, r]);
	return [s, () => {
		let t = e.current.scrollTop;
		t >= s.top && t + n <= s.top + r || a(Math.round(t - n / 2));
	}];
}
function fr(e) {
	let t = () => ({
		top: e.current?.scrollTop ?? 0,
		height: e.current?.clientHeight ?? 0
	}), [n, r] = R(t);
	return z(() => {
		let n = e.current, i = () => r(t());
		return i(), n?.addEventListener("scroll", i, { passive: !0 }), () => n?.removeEventListener("scroll", i);
	}, [e]), n;
}
function pr(e, { middle: t, rowHeight: n }, r) {
	let { scrollTop: i, clientHeight: a } = e, o = t[r] - n * 2, s = t[r] + n * 2, c = Math.max(i - o, s - i - a);
	Number.isNaN(o) || c <= 0 || (e.scrollTop = c > n * 4 ? t[r] - a / 2 : o < i ? o : s - a);
}
function mr(e, { width: t, height: n }) {
	return {
		width: t,
		height: e !== null && getComputedStyle(e).flexGrow === "0" ? null : n
	};
}
function hr(e) {
	let t = document.createElement("canvas").getContext("2d");
	return t.font = `100px ${e ? getComputedStyle(e).fontFamily : "sans-serif"}`, ({ piece: e }) => t.measureText(xn(e).slice(0, 40)).width / 100;
}
function gr() {
	performance.getEntriesByName("headscope:first-picture").length === 0 && performance.mark("headscope:first-picture");
}
function _r() {
	nr !== null && (performance.measure("headscope:hover", { start: nr }), nr = null);
}
// src/views/tokens.tsx
function vr({ session: e, picture: t }) {
	let { trace: n } = t, { focus: r } = U(e.state), i = r.query ?? r.key, a = B(null);
	return z(() => a.current?.scrollIntoView({ block: "nearest" }), [i]), /* @__PURE__ */ Z("div", {
		class: "scroller table",
		tabIndex: 0,
		role: "region",
		"aria-label": "Tokens",
		"data-testid": "tokens-view",
		children: /* @__PURE__ */ Z("table", { children: [/* @__PURE__ */ Z("thead", { children: /* @__PURE__ */ Z("tr", { children: [
			/* @__PURE__ */ Z("th", {
				scope: "col",
				class: "number",
				children: "position"
			}),
			/* @__PURE__ */ Z("th", {
				scope: "col",
				children: "piece"
			}),
			/* @__PURE__ */ Z("th", {
				scope: "col",
				class: "number",
				children: "id"
			}),
			/* @__PURE__ */ Z("th", {
				scope: "col",
				children: "text"
			}),
			/* @__PURE__ */ Z("th", {
				scope: "col",
				class: "number",
				children: "bytes"
			}),
			/* @__PURE__ */ Z("th", {
				scope: "col",
				children: "sentence"
			}),
			/* @__PURE__ */ Z("th", {
				scope: "col",
				children: "mask"
			}),
			/* @__PURE__ */ Z("th", {
				scope: "col",
				children: "special"
			})
		] }) }), /* @__PURE__ */ Z("tbody", { children: n.tokens.map((t, r) => {
			let o = nt(n, t);
			return /* @__PURE__ */ Z("tr", {
				ref: r === i ? a : void 0,
				class: t.special ? "special" : void 0,
				"aria-selected": r === i,
				onClick: () => e.update((e) => pt(e, "query", r)),
				children: [
					/* @__PURE__ */ Z("td", {
						class: "number",
						children: r
					}),
					/* @__PURE__ */ Z("th", {
						scope: "row",
						children: /* @__PURE__ */ Z($, { of: t.piece })
					}),
					/* @__PURE__ */ Z("td", {
						class: "number",
						children: t.id
					}),
					/* @__PURE__ */ Z("td", { children: o === null ? /* @__PURE__ */ Z("span", {
						class: "none",
						children: "none"
					}) : /* @__PURE__ */ Z($, { of: o }) }),
					/* @__PURE__ */ Z("td", {
						class: "number",
						children: t.span ? `${t.span[0]}–${t.span[1]}` : ""
					}),
					/* @__PURE__ */ Z("td", { children: "AB"[t.segment] ?? t.segment }),
					/* @__PURE__ */ Z("td", { children: t.mask ? "attended" : "padding" }),
					/* @__PURE__ */ Z("td", { children: t.special ? "special" : "" })
				]
			}, r);
		}) })] })
	});
}
// src/parts/stage.tsx
function yr(e) {
	let { session: t } = e, n = U(t.state);
	return /* @__PURE__ */ Z("section", {
		class: "stage",
		"aria-label": "Stage",
		children: [/* @__PURE__ */ Z("div", {
			class: "tabs",
			role: "group",
			"aria-label": "View",
			children: at.map(({ key: e, label: r }) => /* @__PURE__ */ Z("button", {
				"aria-pressed": n.view === e,
				"data-testid": `view-${e}`,
				onClick: () => t.update((t) => ({
					...t,
					view: e
				})),
				children: r
			}, e))
		}), n.view === "head" ? /* @__PURE__ */ Z(y, { children: [
			/* @__PURE__ */ Z(br, {
				...e,
				state: n
			}),
			e.picture.heads.length > 1 && /* @__PURE__ */ Z(Sr, { ...e }),
			/* @__PURE__ */ Z(Xn, { ...e })
		] }) : /* @__PURE__ */ Z(vr, { ...e })]
	});
}
function br({ session: e, picture: t, state: n }) {
	let r = (t) => e.update((e) => ({
		...e,
		...t
	}));
	return /* @__PURE__ */ Z("div", {
		class: "switches",
		children: [
			Ge(t.trace.tokens) && /* @__PURE__ */ Z("div", {
				class: "choices",
				role: "group",
				"aria-label": "Edges between sentences",
				children: W.map(({ key: e, label: t }) => /* @__PURE__ */ Z("button", {
					"aria-pressed": n.flow === e,
					"data-testid": `flow-${e}`,
					onClick: () => r({ flow: e }),
					children: t
				}, e))
			}),
			/* @__PURE__ */ Z("div", {
				class: "choices",
				children: [/* @__PURE__ */ Z("span", {
					class: "label",
					id: "special-label",
					children: "special tokens"
				}), /* @__PURE__ */ Z("button", {
					class: "chip",
					"aria-describedby": "special-label",
					"data-testid": "special",
					onClick: () => r({ special: Y(ot, n.special) }),
					children: n.special
				})]
			}),
			/* @__PURE__ */ Z("div", {
				class: "choices scale",
				"data-testid": "scale",
				children: [
					/* @__PURE__ */ Z("span", {
						class: "label",
						id: "scale-label",
						children: "weight"
					}),
					/* @__PURE__ */ Z("button", {
						class: "chip",
						"aria-describedby": "scale-label",
						title: n.top === "one" ? "Strongest curve: a weight of 1" : "Strongest curve: the largest weight shown",
						onClick: () => r({ top: Y(ct, n.top) }),
						children: ["0–", n.top === "one" ? "1" : t.scale.top.toFixed(2)]
					}),
					/* @__PURE__ */ Z("button", {
						class: "chip",
						"aria-describedby": "scale-label",
						"data-testid": "scale-kind",
						onClick: () => r({ scale: Y(st, n.scale) }),
						children: n.scale === "sqrt" ? "√ scale" : "linear"
					})
				]
			}),
			/* @__PURE__ */ Z(xr, {
				picture: t,
				state: n
			})
		]
	});
}
function xr({ picture: e, state: t }) {
	return /* @__PURE__ */ Z("p", {
		class: "note",
		"data-testid": "note",
		"aria-live": "polite",
		children: [t.special === "hidden" && `renormalised; ${wr(e.removed)} of the weight removed`, t.flow !== "all" && `${Cr(t.flow)} is ${wr(e.kept)} of ${Cr(t.flow)[0]}’s weight`].filter(Boolean).join(" · ")
	});
}
function Sr({ session: e, picture: t, palette: n }) {
	return /* @__PURE__ */ Z("div", {
		class: "legend",
		role: "group",
		"aria-label": "Heads drawn",
		children: [t.heads.map((r, i) => {
			let { colour: a, dashed: o } = Fe(i, t.heads.length, n), s = tt(t.trace, r);
			return /* @__PURE__ */ Z("span", {
				class: "drawn",
				"data-testid": "drawn-head",
				children: [/* @__PURE__ */ Z("button", {
					class: "chip",
					"aria-pressed": i === t.focused,
					title: `${s}. Click: show its numbers. Double-click: draw it alone.`,
					onClick: () => e.update((e) => ut(e, r)),
					onDblClick: () => e.update((e) => J(e, r)),
					children: [/* @__PURE__ */ Z("svg", {
						width: "18",
						height: "8",
						"aria-hidden": "true",
						children: /* @__PURE__ */ Z("path", {
							d: "M1 4H17",
							stroke: a,
							"stroke-width": "3",
							"stroke-linecap": "round",
							"stroke-dasharray": o ? "5 4" : void 0
						})
					}), K(t.trace, r)]
				}), /* @__PURE__ */ Z("button", {
					class: "remove",
					"aria-label": `Remove ${s}`,
					onClick: () => e.update((e) => dt(e, r)),
					children: "×"
				})]
			}, K(t.trace, r));
		}), /* @__PURE__ */ Z("span", {
			class: "label",
			children: "numbers are means over these heads"
		})]
	});
}
function Cr(e) {
	return W.find(({ key: t }) => t === e).label;
}
function wr(e) {
	return `${Math.round(e * 100)} %`;
}
// src/parts/stepper.tsx
function Tr({ session: e, trace: t, folded: n, onFold: r }) {
	let { focus: i } = U(e.state), a = (n, r) => () => e.update((e) => ft(e, n, r, t));
	return /* @__PURE__ */ Z("div", {
		class: "stepper",
		children: [
			/* @__PURE__ */ Z(Er, {
				name: "layer",
				value: et(t, i.layer),
				down: a(-1, 0),
				up: a(1, 0)
			}),
			/* @__PURE__ */ Z(Er, {
				name: "head",
				value: String(i.head),
				down: a(0, -1),
				up: a(0, 1)
			}),
			/* @__PURE__ */ Z("button", {
				class: "chip",
				"aria-expanded": !n,
				onClick: r,
				"data-testid": "unfold",
				children: ["All heads ", n ? "▾" : "▴"]
			})
		]
	});
}
function Er({ name: e, value: t, down: n, up: r }) {
	return /* @__PURE__ */ Z("div", {
		class: "step",
		role: "group",
		"aria-label": e,
		children: [
			/* @__PURE__ */ Z("button", {
				class: "chip",
				"aria-label": `Previous ${e}`,
				onClick: n,
				children: "‹"
			}),
			/* @__PURE__ */ Z("span", { children: [
				e,
				" ",
				/* @__PURE__ */ Z("strong", { children: t })
			] }),
			/* @__PURE__ */ Z("button", {
				class: "chip",
				"aria-label": `Next ${e}`,
				onClick: r,
				children: "›"
			})
		]
	});
}
// src/parts/topbar.tsx
function Dr({ session: e, trace: t, onHelp: n }) {
	return /* @__PURE__ */ Z("header", {
		class: "topbar",
		children: [
			/* @__PURE__ */ Z("h1", { children: "headscope" }),
			t && /* @__PURE__ */ Z("p", {
				class: "model",
				"data-testid": "model",
				children: [/* @__PURE__ */ Z("strong", { children: t.card.id }), /* @__PURE__ */ Z("span", { children: [
					t.layers,
					" layers × ",
					t.heads,
					" heads"
				] })]
			}),
			t && (e.editable ? /* @__PURE__ */ Z(kr, { session: e }) : /* @__PURE__ */ Z(Or, { texts: t.texts })),
			/* @__PURE__ */ Z("div", {
				class: "actions",
				children: [
					/* @__PURE__ */ Z(Mr, {}),
					/* @__PURE__ */ Z(Pr, { session: e }),
					/* @__PURE__ */ Z("button", {
						class: "icon",
						onClick: n,
						"aria-label": "Help and keys",
						title: "Help and keys (?)",
						"data-testid": "help",
						children: "?"
					})
				]
			})
		]
	});
}
function Or({ texts: e }) {
	return /* @__PURE__ */ Z("div", {
		class: "texts fixed",
		"data-testid": "texts",
		children: e.map((e, t) => /* @__PURE__ */ Z("p", {
			class: "sentence",
			title: e.slice(0, 600),
			children: [/* @__PURE__ */ Z("span", {
				class: "letter",
				"aria-hidden": "true",
				children: "AB"[t]
			}), /* @__PURE__ */ Z("bdi", { children: e.slice(0, 600) })]
		}, t))
	});
}
function kr({ session: e }) {
	let t = U(e.draft), n = U(e.busy), r = B(!1), i = (n, r) => e.edit(t.with(n, r));
	return /* @__PURE__ */ Z("div", {
		class: "texts",
		"data-busy": n,
		"data-testid": "texts",
		children: [
			t.map((n, a) => /* @__PURE__ */ Z(jr, {
				name: "AB"[a],
				text: n,
				autoFocus: a === 1 && r.current,
				onInput: (e) => i(a, e),
				onEnter: () => e.edit(e.draft.value, 0),
				onRemove: a === 1 ? () => e.edit([t[0]], 0) : void 0
			}, a)),
			t.length === 1 && /* @__PURE__ */ Z("button", {
				class: "add",
				"data-testid": "add-b",
				onClick: () => {
					r.current = !0, e.draft.set([...t, ""]);
				},
				children: "+ sentence B"
			}),
			/* @__PURE__ */ Z("span", {
				class: "running",
				"aria-live": "polite",
				children: n ? /* @__PURE__ */ Z("span", {
					class: "unseen",
					children: "running"
				}) : ""
			})
		]
	});
}
var Ar = 168;
function jr({ name: e, text: t, autoFocus: n, onInput: r, onEnter: i, onRemove: a }) {
	let o = B(null), [s, c] = R(!1);
	return z(() => {
		let e = o.current;
		e.style.height = "", s && (e.style.height = `${Math.min(e.scrollHeight, Ar)}px`);
	}, [s, t]), xe(() => {
		n && o.current.focus();
	}, [n]), /* @__PURE__ */ Z("div", {
		class: "sentence",
		"data-open": s,
		children: [
			/* @__PURE__ */ Z("span", {
				class: "letter",
				"aria-hidden": "true",
				children: e
			}),
			/* @__PURE__ */ Z("textarea", {
				ref: o,
				rows: 1,
				dir: "auto",
				spellcheck: !1,
				autocomplete: "off",
				"aria-label": `Sentence ${e}`,
				"data-testid": `sentence-${e.toLowerCase()}`,
				placeholder: e === "A" ? "Type a sentence" : "Type a second sentence",
				value: t,
				onFocus: () => c(!0),
				onBlur: (e) => {
					e.currentTarget.scrollTop = 0, c(!1);
				},
				onInput: (e) => r(e.currentTarget.value),
				onKeyDown: (e) => {
					e.key === "Escape" && e.currentTarget.blur(), e.key !== "Enter" || e.shiftKey || e.isComposing || (e.preventDefault(), i());
				}
			}),
			a && /* @__PURE__ */ Z("button", {
				class: "remove",
				"aria-label": "Remove sentence B",
				title: "Remove sentence B",
				"data-testid": "remove-b",
				onClick: a,
				children: "×"
			})
		]
	});
}
function Mr() {
	let [e, t] = R("");
	return xe(() => {
		if (!e) return;
		let n = setTimeout(() => t(""), 1600);
		return () => clearTimeout(n);
	}, [e]), /* @__PURE__ */ Z("button", {
		onClick: async () => {
			try {
				await navigator.clipboard.writeText(location.href), t("Copied");
			} catch {
				t("It is in the address bar");
			}
		},
		"data-testid": "copy-link",
		title: "Copy a link to this picture",
		children: /* @__PURE__ */ Z("span", {
			"aria-live": "polite",
			children: e || "Copy link"
		})
	});
}
var Nr = {
	auto: "◐",
	light: "○",
	dark: "●"
};
function Pr({ session: e }) {
	let { theme: t } = U(e.state), n = Y(lt, t);
	return /* @__PURE__ */ Z("button", {
		class: "icon",
		"data-testid": "theme",
		"aria-label": `Theme: ${t}. Change to ${n}`,
		title: `Theme: ${t}`,
		onClick: () => e.update((e) => ({
			...e,
			theme: n
		})),
		children: Nr[t]
	});
}
// src/parts/app.tsx
function Fr({ session: e, host: t }) {
	let n = U(e.shown), r = U(e.problem), { theme: i } = U(e.state), [a, o] = R(!1), [s, c] = R(!0), l = zr(t, i), u = Rr(e);
	return Vr(e, t, () => o((e) => !e)), /* @__PURE__ */ Z("div", {
		class: "app",
		children: [
			/* @__PURE__ */ Z(Dr, {
				session: e,
				trace: n?.trace ?? null,
				onHelp: () => o(!0)
			}),
			r && n && /* @__PURE__ */ Z(Ir, {
				session: e,
				...r
			}),
			u ? /* @__PURE__ */ Z("div", {
				class: "body",
				children: [
					/* @__PURE__ */ Z(Tr, {
						session: e,
						trace: u.trace,
						folded: s,
						onFold: () => c(!s)
					}),
					/* @__PURE__ */ Z("div", {
						class: "side",
						"data-folded": s,
						children: [/* @__PURE__ */ Z(Zt, {
							session: e,
							trace: u.trace,
							palette: l
						}), /* @__PURE__ */ Z(pn, {
							session: e,
							trace: u.trace
						})]
					}),
					/* @__PURE__ */ Z(yr, {
						session: e,
						picture: u,
						palette: l
					}),
					/* @__PURE__ */ Z(En, {
						session: e,
						picture: u,
						palette: l
					})
				]
			}) : r ? /* @__PURE__ */ Z("div", {
				class: "blank",
				role: "alert",
				children: [
					/* @__PURE__ */ Z("h2", { children: Lr(r.message) }),
					/* @__PURE__ */ Z("p", { children: Lr(r.help) }),
					t.dataset.headscope && /* @__PURE__ */ Z("button", {
						class: "chip",
						onClick: () => location.reload(),
						children: "Try again"
					})
				]
			}) : /* @__PURE__ */ Z("div", {
				class: "blank loading",
				role: "status",
				children: /* @__PURE__ */ Z("p", { children: "Reading the trace…" })
			}),
			u && /* @__PURE__ */ Z(mn, { trace: u.trace }),
			/* @__PURE__ */ Z(_n, {
				open: a,
				onClose: () => o(!1)
			})
		]
	});
}
function Ir({ session: e, message: t, help: n }) {
	return /* @__PURE__ */ Z("div", {
		class: "problem",
		role: "alert",
		"data-testid": "problem",
		children: [/* @__PURE__ */ Z("p", { children: [
			/* @__PURE__ */ Z("strong", { children: Lr(t) }),
			" ",
			Lr(n)
		] }), /* @__PURE__ */ Z("button", {
			class: "icon",
			"aria-label": "Dismiss",
			onClick: () => e.problem.set(null),
			children: "×"
		})]
	});
}
function Lr(e) {
	return e.charAt(0).toUpperCase() + e.slice(1) + (/[.!?…]$/.test(e) ? "" : ".");
}
function Rr(e) {
	let t = U(e.shown), n = U(e.arrivals), r = U(e.state), i = B(null), { heads: a, focus: o, flow: s, special: c, scale: l, top: u } = r;
	return V(() => t ? (i.current = wt(t, r) ?? i.current, i.current) : null, [
		t,
		n,
		a,
		o.layer,
		o.head,
		s,
		c,
		l,
		u
	]);
}
function zr(e, t) {
	let [n, r] = R(() => matchMedia("(prefers-color-scheme: dark)").matches);
	xe(() => {
		let e = matchMedia("(prefers-color-scheme: dark)"), t = () => r(e.matches);
		return e.addEventListener("change", t), () => e.removeEventListener("change", t);
	}, []);
	let i = t === "auto" ? n : t === "dark";
	return V(() => (e.dataset.theme = i ? "dark" : "light", Ae(e, i)), [e, i]);
}
var Br = {
	ArrowLeft: [0, -1],
	ArrowRight: [0, 1],
	ArrowUp: [-1, 0],
	ArrowDown: [1, 0]
};
function Vr(e, t, n) {
	z(() => {
		let r = t.dataset.headscope ? document : t, i = (t) => {
			let { key: r, shiftKey: i, ctrlKey: a, altKey: o, metaKey: s } = t;
			if (a || o || s || Wr(t) || !e.shown.value) return;
			r === "?" && n();
			let c = Hr(r, i, e);
			c && (t.preventDefault(), e.update(c));
		};
		return r.addEventListener("keydown", i), () => r.removeEventListener("keydown", i);
	}, [e, t]);
}
function Hr(e, t, n) {
	let { trace: r } = n.shown.value;
	if (e in Br) {
		let [n, i] = Br[e];
		return (e) => t ? Ur(e, ft(e, n, i, r)) : ft(e, n, i, r);
	}
	let i = at[Number(e) - 1]?.key;
	return i ? (e) => ({
		...e,
		view: i
	}) : e === "j" ? (e) => ht(e, 1, r.tokens) : e === "k" ? (e) => ht(e, -1, r.tokens) : e === "f" && Ge(r.tokens) ? (e) => ({
		...e,
		flow: Y(W.map((e) => e.key), e.flow)
	}) : e === "s" ? (e) => ({
		...e,
		special: Y(ot, e.special)
	}) : e === "Escape" ? mt : null;
}
function Ur(e, t) {
	return e.heads.some(({ layer: e, head: n }) => e === t.focus.layer && n === t.focus.head) ? {
		...e,
		focus: t.focus
	} : dt(e, t.focus);
}
function Wr(e) {
	let t = e.composedPath()[0];
	return t instanceof HTMLElement && t.matches("input, textarea, select, dialog[open], dialog[open] *, [contenteditable]");
}
// src/link.ts
var Gr = 700;
function Kr(e) {
	let t = 0, n = !1, r = () => e.editable ? e.shown.value?.trace.texts ?? null : null, i = (i) => {
		if (n || !e.shown.value) return;
		let a = yt(e.state.value, r());
		if (a === location.hash) return;
		let o = performance.now(), s = !i && o - t > Gr;
		t = o;
		try {
			s ? history.pushState(null, "", a) : history.replaceState(null, "", a);
		} catch {}
	}, a = () => {
		let { state: t, texts: r } = bt(location.hash, q);
		n = !0, e.open(t, r), n = !1;
	}, o = !1, s = [e.state.subscribe(() => i(!o)), e.shown.subscribe(() => {
		i(!o), o = !0;
	})];
	return addEventListener("popstate", a), () => {
		s.forEach((e) => e()), removeEventListener("popstate", a);
	};
}
// src/model/host.ts
var qr = class {
	values = /* @__PURE__ */ new Map();
	listeners = /* @__PURE__ */ new Map();
	constructor(e) {
		for (let [t, n] of Object.entries(e)) this.values.set(t, n);
	}
	get(e) {
		return this.values.get(e);
	}
	set(e, t) {
		this.values.set(e, t), this.emit(`change:${e}`);
	}
	save_changes() {}
	on(e, t) {
		this.listeners.has(e) || this.listeners.set(e, /* @__PURE__ */ new Set()), this.listeners.get(e).add(t);
	}
	off(e, t) {
		this.listeners.get(e)?.delete(t);
	}
	reply(e, ...t) {
		this.emit("msg:custom", e, t);
	}
	emit(e, ...t) {
		for (let n of this.listeners.get(e) ?? []) n(...t);
	}
};
function Jr(e) {
	return e instanceof Uint8Array ? e.length ? e : null : e instanceof ArrayBuffer ? e.byteLength ? new Uint8Array(e) : null : ArrayBuffer.isView(e) && e.byteLength ? new Uint8Array(e.buffer, e.byteOffset, e.byteLength) : null;
}
function Yr(e, t) {
	return {
		message: e instanceof Error ? e.message : String(e),
		help: t
	};
}
// src/model/app.ts
var Xr = "headscope has stopped, or this link has expired. Start it again and open the link that it prints.", Zr = class extends qr {
	run = "";
	running = null;
	constructor(e, t) {
		super(e), this.begin(t);
	}
	send(e) {
		e.kind === "run" ? this.runTexts(e.texts, e.request) : this.fetchPattern(e);
	}
	async begin(e) {
		try {
			e && await this.runTexts(e, 0), this.get("overview") || await this.show(await $r("/api/overview"));
		} catch (e) {
			this.reply({
				kind: "error",
				request: 0,
				...ei(e)
			});
		}
	}
	async runTexts(e, t) {
		this.running?.abort();
		let { signal: n } = this.running = new AbortController();
		try {
			let r = await $r("/api/run", {
				method: "POST",
				headers: { "content-type": "application/json" },
				body: JSON.stringify({ texts: e }),
				signal: n
			});
			await this.show(r, n), this.reply({
				kind: "ran",
				request: t
			});
		} catch (e) {
			n.aborted || this.reply({
				kind: "error",
				request: t,
				...ei(e)
			});
		}
	}
	async show(e, t) {
		let n = new Uint8Array(await e.arrayBuffer());
		t?.aborted || (this.run = e.headers.get("x-headscope-run") ?? "", this.set("overview", n));
	}
	async fetchPattern({ layer: e, head: t, request: n }) {
		let { run: r } = this;
		try {
			let i = await $r(`/api/pattern?layer=${e}&head=${t}&run=${r}`), a = new Uint8Array(await i.arrayBuffer());
			this.reply({
				kind: "pattern",
				layer: e,
				head: t,
				request: n
			}, a);
		} catch (e) {
			r === this.run && this.reply({
				kind: "error",
				request: n,
				...ei(e)
			});
		}
	}
}, Qr = class extends Error {
	problem;
	constructor(e) {
		super(e.message), this.problem = e;
	}
};
async function $r(e, t) {
	let n = await fetch(e, t);
	if (n.ok) return n;
	let r = await n.json().catch(() => ({}));
	throw new Qr({
		message: r.message ?? `${e}: the server answered ${n.status}`,
		help: r.help ?? Xr,
		gone: n.status === 410
	});
}
function ei(e) {
	return e instanceof Qr ? e.problem : Yr(e instanceof TypeError ? "The server does not answer." : e, Xr);
}
// src/model/attention.ts
function ti(e, { blocks: t, rules: n, tokens: r }, { layer: i, head: a }) {
	let o = t[i], s = r.length;
	if (e.has(`${o}.pattern`)) return e.f32(`${o}.pattern`).subarray(a * s * s, (a + 1) * s * s);
	let c = n[i], l = s * e.shape(`${o}.q`)[2], u = (t, n) => e.f32(`${o}.${t}`).subarray(n * l, (n + 1) * l);
	return ni(u("q", a), u("k", Math.floor(a * c.key_heads / c.query_heads)), c, r.map((e) => e.mask), c.sink?.[a]);
}
function ni(e, t, n, r, i = -Infinity) {
	let a = r.length, o = e.length / a, s = new Float32Array(a * a), c = new Float64Array(a);
	for (let l = 0; l < a; l++) {
		let [u, d] = ri(n.mask, l, a), f = i;
		for (let i = u; i < d; i++) c[i] = r[i] ? ii(e, l * o, t, i * o, o, n) : -Infinity, f = Math.max(f, c[i]);
		if (f === -Infinity) continue;
		let p = Math.exp(i - f);
		for (let e = u; e < d; e++) p += c[e] = Math.exp(c[e] - f);
		for (let e = u; e < d; e++) s[l * a + e] = c[e] / p;
	}
	return s;
}
function ri(e, t, n) {
	return e === "full" ? [0, n] : e === "causal" ? [0, Math.min(t + 1, n)] : "window" in e ? [Math.max(0, t - e.window), Math.min(t + e.window + 1, n)] : [Math.max(0, t + 1 - e.causal_window), Math.min(t + 1, n)];
}
function ii(e, t, n, r, i, { scale: a, soft_cap: o }) {
	let s = 0;
	for (let a = 0; a < i; a++) s += e[t + a] * n[r + a];
	let c = s * a;
	return o === null ? c : o * Math.tanh(c / o);
}
// src/model/page.ts
var ai = "The file is damaged or cut short: export it again.", oi = "This browser cannot unpack the page's data: use one from 2023 or later.", si = class extends qr {
	file;
	trace;
	constructor(e, t) {
		super(e), this.begin(t);
	}
	send(e) {
		if (e.kind !== "pattern") return;
		let t = ti(this.file, this.trace, e);
		this.reply(e, new Uint8Array(t.buffer, t.byteOffset, t.byteLength));
	}
	async begin(e) {
		try {
			let t = await ci(e);
			this.file = qe.read(t), this.trace = Xe(this.file), this.set("overview", t);
		} catch (e) {
			let t = "DecompressionStream" in globalThis ? ai : oi;
			this.reply({
				kind: "error",
				request: 0,
				...Yr(e, t)
			});
		}
	}
};
async function ci(e) {
	let t = atob(e.trim()), n = new Uint8Array(t.length);
	for (let e = 0; e < t.length; e++) n[e] = t.charCodeAt(e);
	let r = new Blob([n]).stream().pipeThrough(new DecompressionStream("gzip"));
	return new Uint8Array(await new Response(r).arrayBuffer());
}
// src/session.ts
var li = 90, ui = 40, di = 96 << 20, fi = class {
	trace;
	patterns = /* @__PURE__ */ new Map();
	asked = /* @__PURE__ */ new Set();
	constructor(e) {
		this.trace = e;
	}
	pattern(e) {
		return this.patterns.get(yi(e));
	}
	wants(e) {
		return !this.asked.has(yi(e));
	}
	ask(e) {
		this.asked.add(yi(e));
	}
	keep(e, t) {
		this.patterns.set(yi(e), t);
		let [n] = this.patterns.keys();
		this.patterns.size * t.byteLength > di && (this.patterns.delete(n), this.asked.delete(n));
	}
	lost(e) {
		this.asked.delete(yi(e));
	}
}, pi = class {
	host;
	state;
	hover = new H(null);
	shown = new H(null);
	arrivals = new H(0);
	draft = new H([]);
	problem = new H(null);
	busy = new H(!1);
	editable;
	fresh;
	target = null;
	coming = null;
	requests = 0;
	run = 0;
	waiting = /* @__PURE__ */ new Map();
	typing;
	ahead;
	constructor(e, t) {
		this.host = e;
		let { view: n, id: r } = _i(e.get("focus"));
		this.fresh = !r && !/[#&]head=/.test(t), this.state = new H(bt(t, J({
			...q,
			view: n
		}, r ?? q.focus)).state), this.editable = e.get("editable") === !0, e.on("change:overview", this.onOverview), e.on("msg:custom", this.onMessage), this.state.subscribe(() => this.onState()), this.onOverview();
	}
	close() {
		clearTimeout(this.typing), clearTimeout(this.ahead), this.host.off?.("change:overview", this.onOverview), this.host.off?.("msg:custom", this.onMessage);
	}
	update(e) {
		this.state.set(e(this.state.value));
	}
	open(e, t) {
		this.fresh = !1;
		let n = this.shown.value?.trace;
		t !== null && this.editable && n && !vi(t, n.texts) ? (this.target = e, this.edit(t, 0)) : this.state.set(n ? _t(e, n) : e);
	}
	edit(e, t = li) {
		this.draft.set(e), clearTimeout(this.typing), this.typing = setTimeout(() => this.runTexts(e), t);
	}
	runTexts(e) {
		let t = e.filter((e, t) => t === 0 || e.trim() !== "");
		t[0].trim() === "" ? this.problem.set({
			message: "Sentence A is empty.",
			help: "Type a few words; the picture shows the text before."
		}) : (this.run = ++this.requests, this.busy.set(!0), this.host.send({
			kind: "run",
			texts: t,
			request: this.run
		}));
	}
	onOverview = () => {
		let e = Jr(this.host.get("overview"));
		if (e) {
			try {
				this.coming = new fi(Xe(qe.read(e)));
			} catch (e) {
				this.problem.set(Yr(e, "The data do not fit this page: write the file again with this version."));
				return;
			}
			this.problem.set(null), this.askFor(this.coming, this.headsFor(this.coming)), this.showComing();
		}
	};
	onMessage = (e, t = []) => {
		e.kind === "pattern" && this.onPattern(e.request, Jr(t[0])), e.kind === "ran" && e.request === this.run && this.busy.set(!1), e.kind === "error" && this.onError(e);
	};
	onPattern(e, t) {
		let n = this.waiting.get(e);
		this.waiting.delete(e), n && t && (n.of.keep(n.id, Je(t)), n.of === this.coming ? this.showComing() : n.of === this.shown.value && this.arrivals.set(this.arrivals.value + 1));
	}
	onError({ request: e, message: t, help: n, gone: r }) {
		let i = this.waiting.get(e);
		if (this.waiting.delete(e), i?.of.lost(i.id), i && r && this.editable) return this.runTexts(i.of.trace.texts);
		(i || e === 0 || e === this.run) && (this.busy.set(!1), this.target = null, this.problem.set({
			message: t,
			help: n
		}));
	}
	onState() {
		let e = this.shown.value;
		if (!e) return;
		this.askFor(e, this.state.value.heads), this.askForNeighbours();
		let { view: t, focus: n } = this.state.value;
		this.host.set("focus", {
			view: t,
			layer: n.layer,
			head: n.head
		}), this.host.save_changes();
	}
	headsFor({ trace: e }) {
		return this.fresh && !this.shown.value ? [hi(e)] : _t(this.target ?? this.state.value, e).heads;
	}
	showComing() {
		let { coming: e } = this;
		if (!e) return;
		let t = this.headsFor(e);
		if (this.askFor(e, t), !t.every((t) => e.pattern(t))) return;
		let n = this.shown.value?.trace, r = this.fresh && !n ? J(this.state.value, t[0]) : this.state.value, i = this.target ?? (n ? mi(r, n, e.trace) : r);
		this.target = null, this.draft.value.length === 0 && this.draft.set(e.trace.texts), this.coming = null, this.hover.set(null), this.shown.set(e), this.state.set(_t(i, e.trace)), this.askForNeighbours();
	}
	askFor(e, t) {
		for (let n of t) {
			if (!e.wants(n)) continue;
			e.ask(n);
			let t = ++this.requests;
			this.waiting.set(t, {
				of: e,
				id: n
			}), this.host.send({
				kind: "pattern",
				layer: n.layer,
				head: n.head,
				request: t
			});
		}
	}
	askForNeighbours() {
		clearTimeout(this.ahead), this.ahead = setTimeout(() => {
			let e = this.shown.value;
			if (!e) return;
			let t = gi(this.state.value.focus, e.trace).find((t) => e.wants(t));
			t && (this.askFor(e, [t]), this.askForNeighbours());
		}, ui);
	}
};
function mi(e, t, n) {
	let { focus: r } = e, i = vt(r.query, t.tokens, n.tokens), a = vt(r.key, t.tokens, n.tokens);
	return {
		...e,
		focus: {
			...r,
			query: i,
			key: a
		}
	};
}
function hi(e) {
	let t = (t, n) => {
		let r = e.metrics.findIndex((e) => e.key === n);
		return r < 0 ? 0 : Ze(e, r, t);
	}, n = (n) => t(n, "first") + t(n, "separators") + t(n, "entropy") / Math.log(e.tokens.length + 1);
	return Qe(e).reduce((e, t) => n(t) < n(e) ? t : e);
}
function gi({ layer: e, head: t }, n) {
	return [
		{
			layer: e,
			head: t + 1
		},
		{
			layer: e + 1,
			head: t
		},
		{
			layer: e,
			head: t - 1
		},
		{
			layer: e - 1,
			head: t
		}
	].filter((e) => e.layer >= 0 && e.head >= 0 && e.layer < n.layers && e.head < n.heads);
}
function _i(e) {
	let { view: t, layer: n, head: r } = e ?? {}, i = (e) => Number.isInteger(e) && e >= 0 ? e : null, [a, o] = [i(n), i(r)];
	return {
		view: at.find(({ key: e }) => e === t)?.key ?? q.view,
		id: a === null && o === null ? null : {
			layer: a ?? 0,
			head: o ?? 0
		}
	};
}
function vi(e, t) {
	return e.length === t.length && e.every((e, n) => e === t[n]);
}
function yi({ layer: e, head: t }) {
	return `${e}.${t}`;
}
// src/theme.css?inline
var bi = ":host{--paper:#fbfbf9;--raised:#fff;--ink:#1c1d21;--soft:#4a4c54;--quiet:#686a72;--hair:#e3e3de;--chip:#f0f0ec;--chip-on:#e6e6e1;--accent:#2b63d9;--accent-soft:#dce6fa;--looked:#c8610a;--looked-soft:#fae6d3;--warn:#a3271f;--warn-soft:#fdf0ee;--kind-first:#83868f;--kind-separators:#b9bbc2;--kind-itself:#8060cf;--kind-next:var(--accent);--kind-previous:#3596b5;--kind-same:#4da567;--kind-other:var(--looked);--gap:26px;--lightningcss-light:initial;--lightningcss-dark: ;color-scheme:light;--height:680px;color:var(--ink);background:var(--paper);font-variant-numeric:tabular-nums;-webkit-font-smoothing:antialiased;text-align:start;font:14px/1.45 Inter,ui-sans-serif,system-ui,-apple-system,Segoe UI,Roboto,Helvetica Neue,Arial,Noto Sans,sans-serif;display:block;container-type:inline-size}:host([data-theme=dark]){--paper:#131417;--raised:#191a1e;--ink:#ececee;--soft:#b9bbc3;--quiet:#92959f;--hair:#292b31;--chip:#202227;--chip-on:#2d3037;--accent:#7aa5ff;--accent-soft:#22304d;--looked:#ffac5e;--looked-soft:#4a3016;--warn:#ff9c92;--warn-soft:#331b1a;--kind-first:#8a8d97;--kind-separators:#bfc1c8;--kind-itself:#a78bf0;--kind-previous:#4fb3d3;--kind-same:#66bf80;--lightningcss-light: ;--lightningcss-dark:initial;color-scheme:dark}:host([data-full]){--height:100dvh}*,:before,:after{box-sizing:border-box}h1,h2,h3,p,dl,dd,ol{font:inherit;margin:0;padding:0}ol{list-style:none}button,select,textarea{font:inherit;color:inherit;background:0 0;border:0;margin:0;padding:0}button,select{cursor:pointer}:focus-visible{outline:2px solid var(--accent);outline-offset:2px;border-radius:4px}.unseen{clip-path:inset(50%);white-space:nowrap;width:1px;height:1px;position:absolute;overflow:hidden}.figure{font-variant-numeric:tabular-nums;white-space:nowrap}.heading{justify-content:space-between;align-items:baseline;gap:12px;display:flex}h2,h3{color:var(--soft);font-size:12.5px;font-weight:550}.chip{background:var(--chip);white-space:nowrap;border-radius:7px;padding:2px 8px;font-size:12.5px}.chip:hover,.chip[aria-pressed=true]{background:var(--chip-on)}.label{color:var(--quiet)}.icon{text-align:center;border-radius:7px;width:28px;height:28px;line-height:1}.icon:hover{background:var(--chip)}.piece{white-space:pre;unicode-bidi:isolate}.sign{color:var(--quiet);border-bottom:1px dotted;margin:0 .1em;font-size:.8em}.join{border:solid var(--quiet);border-width:0 1px 1.4px;border-radius:0 0 50% 50%/0 0 100% 100%;width:.52em;height:.26em;margin-inline-end:.14em;display:inline-block;position:relative}.app{height:var(--height);background:var(--paper);flex-direction:column;display:flex;position:relative;overflow:hidden}.body{flex:1;grid-template-columns:clamp(288px,28vw,404px) minmax(0,1fr) clamp(264px,22vw,316px);min-height:0;display:grid}.side,.inspector{scrollbar-width:thin;scrollbar-color:var(--hair) transparent;padding:var(--gap) 28px;overflow-y:auto}.side{border-inline-end:1px solid var(--hair);gap:var(--gap);flex-direction:column;display:flex}.inspector{border-inline-start:1px solid var(--hair)}.stepper{display:none}.topbar{border-bottom:1px solid var(--hair);z-index:4;flex:none;align-items:center;gap:22px;height:60px;padding:0 28px;display:flex;position:relative}h1{letter-spacing:-.01em;font-size:16px;font-weight:700}.model{color:var(--quiet);white-space:nowrap;font-size:13.5px}.model strong{color:var(--ink);margin-inline-end:7px;font-weight:550}.texts{background:var(--raised);min-width:0;height:36px;box-shadow:inset 0 0 0 1px var(--hair);border-radius:9px;flex:0 640px;display:flex;position:relative}.sentence{flex:1 1 0;align-items:flex-start;min-width:0;display:flex;position:relative}.sentence+.sentence,.add{border-inline-start:1px solid var(--hair)}.letter{inset-inline-start:15px;color:var(--quiet);z-index:2;pointer-events:none;font-size:11.5px;position:absolute;top:9px}.sentence textarea,.sentence bdi{resize:none;white-space:pre;text-overflow:ellipsis;flex:1;min-width:0;height:36px;padding:0 12px 0 34px;font-size:14.5px;line-height:36px;display:block;overflow:hidden}.sentence textarea::placeholder{color:var(--quiet);opacity:1}.sentence textarea:focus{outline:2px solid var(--accent);outline-offset:-1px;border-radius:9px}.sentence[data-open=true] textarea{z-index:1;white-space:pre-wrap;background:var(--raised);scrollbar-width:thin;width:100%;min-height:36px;padding-block:7px;line-height:22px;position:absolute;inset:0 0 auto;overflow-y:auto}.sentence:has(.remove) textarea{padding-inline-end:34px}.remove{color:var(--quiet);border-radius:6px;width:22px;height:22px;line-height:1}.remove:hover{color:var(--ink);background:var(--chip)}.sentence .remove{inset-inline-end:8px;z-index:2;position:absolute;top:7px}.fixed{box-shadow:none;background:0 0}.sentence bdi{white-space:nowrap}.fixed .sentence{flex:0 auto}.fixed .sentence bdi{padding-inline-end:22px}.add{color:var(--quiet);white-space:nowrap;flex:none;padding:0 16px}.add:hover{color:var(--ink)}.running{pointer-events:none;height:2px;position:absolute;bottom:0;left:12px;right:12px;overflow:hidden}[data-busy=true] .running:before{content:\"\";background:var(--accent);opacity:0;border-radius:1px;width:30%;height:100%;animation:none;display:block}@keyframes running{0%{opacity:1;transform:translate(-100%)}to{opacity:1;transform:translate(340%)}}.actions{color:var(--soft);white-space:nowrap;align-items:center;gap:10px;margin-inline-start:auto;font-size:13.5px;display:flex}.actions button:hover{color:var(--ink)}.problem{z-index:5;background:var(--warn-soft);width:-moz-fit-content;width:fit-content;color:var(--soft);box-shadow:0 0 0 1px color-mix(in srgb, var(--warn) 30%, transparent), 0 6px 24px #0000001a;border-radius:9px;justify-content:space-between;align-items:center;gap:16px;margin:0 auto;padding:7px 8px 7px 16px;font-size:13.5px;display:flex;position:absolute;bottom:38px;left:28px;right:28px}.problem strong{color:var(--warn);margin-inline-end:6px;font-weight:600}.blank{text-align:center;color:var(--quiet);flex:1;place-content:center;gap:6px;padding:28px;display:grid}.blank h2{color:var(--ink);font-size:17px}.blank p{max-width:56ch}.blank .chip{color:var(--ink);justify-self:center;margin-top:12px;padding:5px 14px;font-size:14px}.loading p{opacity:0;animation:.2s .3s forwards appear}@keyframes appear{to{opacity:1}}.atlas .heading{margin-bottom:10px}.atlas select{appearance:none;color:var(--soft);field-sizing:content;text-align-last:right;background:linear-gradient(45deg, transparent 50%, var(--quiet) 50%) right 4px top 9px / 4.5px 4.5px no-repeat, linear-gradient(-45deg, transparent 50%, var(--quiet) 50%) right 0 top 9px / 4.5px 4.5px no-repeat;max-width:180px;padding-inline-end:15px;font-size:12.5px}.atlas option{color:var(--ink);background:var(--raised)}.thumbnails{position:relative}.cells{cursor:pointer;position:absolute}.cells canvas{display:block}.ruler{color:var(--quiet);align-items:center;font-size:10.5px;display:flex;position:absolute}.ruler.top{justify-content:center;height:15px;top:0}.ruler.left{justify-content:flex-end;left:0}.ruler[data-on=true]{color:var(--ink);font-weight:650}.outline{pointer-events:none;box-shadow:0 0 0 1px var(--paper), 0 0 0 2px var(--quiet);border-radius:2px;position:absolute}.outline.drawn,.outline.focused{color:var(--ink);box-shadow:0 0 0 1px var(--paper), 0 0 0 3px currentColor}.outline.focused{z-index:1;border-radius:3px}.card{z-index:6;background:var(--raised);width:236px;box-shadow:0 0 0 1px var(--hair), 0 10px 34px #0000002e;pointer-events:none;border-radius:10px;padding:12px 14px;font-size:12.5px;position:fixed}.card canvas{border-radius:3px;margin:8px 0 4px;display:block}.card .axes{color:var(--quiet);margin-bottom:6px;font-size:11.5px}.card .row{gap:10px;display:flex}.card .row span:first-child{color:var(--soft);flex:1}.rank{color:var(--quiet);text-align:end;flex:none;min-width:40px;padding-inline-start:6px}.finder dl{margin-top:8px}.finder dl>div{justify-content:space-between;align-items:center;gap:8px;padding:2.5px 0;font-size:12.5px;display:flex}.finder dt{color:var(--soft);text-overflow:ellipsis;white-space:nowrap;overflow:hidden}.finder dd{flex:none;gap:5px;display:flex}.finder .chip{padding:1.5px 7px;font-size:12px}.finder .chip .figure{color:var(--soft);margin-inline-start:3px}.finder .chip[aria-pressed=true]{box-shadow:inset 0 0 0 1.5px var(--ink)}.stage{flex-direction:column;min-width:0;min-height:0;padding:18px 28px 0;display:flex}.tabs{flex:none;gap:22px;display:flex}.tabs button{color:var(--quiet);padding:5px 0 6px;font-size:14.5px;box-shadow:inset 0 -2px #0000}.tabs button:hover{color:var(--ink)}.tabs button[aria-pressed=true]{color:var(--ink);box-shadow:inset 0 -2px 0 var(--ink);font-weight:600}.switches{flex-wrap:wrap;flex:none;align-items:center;gap:6px 24px;padding:12px 0 4px;font-size:13px;display:flex}.choices{align-items:center;gap:4px;display:flex}.choices button{color:var(--soft);border-radius:7px;padding:3px 9px;font-size:13px}.choices button:hover{color:var(--ink);background:var(--chip)}.choices button[aria-pressed=true],.choices .chip{background:var(--chip);color:var(--ink)}.choices .chip:hover{background:var(--chip-on)}.choices .label{margin-inline-end:3px}.scale{margin-inline-start:auto}.note{min-height:19px;color:var(--soft);flex-basis:100%;font-size:12.5px}.legend{flex-wrap:wrap;align-items:center;gap:6px 10px;padding-bottom:8px;font-size:12.5px;display:flex}.drawn{align-items:center;display:inline-flex}.drawn .chip{align-items:center;gap:7px;display:inline-flex}.drawn .chip[aria-pressed=true]{box-shadow:inset 0 0 0 1.5px var(--ink)}.scroller{scrollbar-width:thin;scrollbar-color:var(--hair) transparent;flex:1;min-height:0;margin:0 -28px;padding:0;overflow:hidden auto}.picture{position:relative;overflow:clip}.scale-key{height:34px;color:var(--quiet);flex:none;align-items:center;gap:14px;font-size:12px;display:flex}.scale-key span{align-items:center;gap:4px;display:inline-flex}.scale-key span:last-child{margin-inline-start:auto}.picture canvas{pointer-events:none;position:absolute;left:0}.base{transition:opacity 80ms}.picture[data-active] .base{opacity:.26}.column{cursor:pointer;z-index:1;position:absolute;top:0;bottom:0}.column:focus-visible{outline-offset:4px}.token{align-items:center;padding:0 8px;display:flex;position:absolute;left:0;right:0}.query .token{justify-content:flex-end}.token .piece{text-overflow:ellipsis;overflow:hidden}.key .token{color:var(--soft)}.column .special{color:var(--quiet);font-size:.86em}.token[data-lit]{color:var(--ink);font-weight:650}.pill{border-radius:8px;position:absolute}.pill.query{background:var(--accent-soft)}.pill.key{background:var(--looked-soft)}.weight{height:16px;color:var(--soft);pointer-events:none;align-items:center;gap:8px;margin-top:-8px;font-size:12.5px;display:flex;position:absolute}.weight.from-key{flex-direction:row-reverse}.weight .figure{width:36px}.weight.from-key .figure{text-align:end}.weight .bar{flex:none;width:56px;height:5px;display:flex}.weight.from-key .bar{flex-direction:row-reverse}.bar i{background:var(--accent);min-width:1.5px;display:block}.bar i:not(:only-child){min-width:0}.bar i:first-child{border-start-start-radius:3px;border-end-start-radius:3px}.bar i:last-child{border-start-end-radius:3px;border-end-end-radius:3px}.weight.from-key .bar i,[data-from=key] .bar i{background:var(--looked)}.beyond{z-index:2;height:0;position:sticky}.beyond.above{top:4px}.beyond button{white-space:nowrap;background:var(--raised);box-shadow:0 0 0 1px var(--hair), 0 2px 10px #0000001f;border-radius:7px;gap:6px;padding:1px 9px;font-size:12.5px;display:flex;position:absolute}.bracket{border:solid color-mix(in srgb, var(--quiet) 75%, transparent);border-width:1px 0 1px 1px;align-items:center;width:8px;display:flex;position:absolute}.bracket span{width:0;color:var(--soft);font-size:12.5px;line-height:1;position:sticky;top:24px;bottom:24px;transform:translate(-17px)}.table{margin:14px 0 0;overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:13.5px}thead th{background:var(--paper);box-shadow:inset 0 -1px 0 var(--hair);color:var(--quiet);font-size:12.5px;font-weight:500;position:sticky;top:0}th,td{text-align:start;white-space:nowrap;padding:5px 14px 5px 0;font-weight:400}th.number,td.number{text-align:end;padding-inline-end:22px}td.number{color:var(--soft)}tbody th{font-weight:550}tbody th .piece,tbody td .piece{text-overflow:ellipsis;vertical-align:bottom;max-width:20ch;display:inline-block;overflow:hidden}tbody tr{cursor:pointer}tbody tr:hover{background:var(--chip)}tbody tr[aria-selected=true]{background:var(--accent-soft)}tr.special,tr.special th,.none{color:var(--quiet)}.title{letter-spacing:-.01em;color:var(--ink);font-size:20px;font-weight:650;line-height:1.3}.subject{color:var(--soft);text-overflow:ellipsis;white-space:nowrap;font-size:13.5px;overflow:hidden}.pinned{color:var(--quiet)}.edges{min-height:144px;margin-top:16px}.edges li{grid-template-columns:minmax(0,1fr) 108px 44px;align-items:center;gap:12px;height:24px;font-size:13.5px;display:grid}.edges[data-from=text] li{grid-template-columns:minmax(0,1fr) 56px 44px}.edges li.none{display:block}.ends{align-items:center;gap:5px;min-width:0;display:flex}.ends .piece{text-overflow:ellipsis;overflow:hidden}.arrow{color:var(--quiet)}.headsign{color:var(--quiet);align-items:center;gap:4px;font-size:12px;display:inline-flex}.headsign i{border-radius:50%;width:8px;height:8px}.edges .bar{height:6px;display:flex}.edges .figure{text-align:end;color:var(--soft)}.group{margin-top:var(--gap)}.group .heading>.figure{color:var(--quiet);flex:none;font-size:12.5px}.group h3{text-overflow:ellipsis;white-space:nowrap;min-width:0;overflow:hidden}.mass{border-radius:2px;gap:1px;height:10px;margin:9px 0 8px;display:flex;overflow:hidden}.kind.first{background:var(--kind-first)}.kind.separators{background:var(--kind-separators)}.kind.itself{background:var(--kind-itself)}.kind.next{background:var(--kind-next)}.kind.previous{background:var(--kind-previous)}.kind.same{background:var(--kind-same)}.kind.other{background:var(--kind-other)}.kinds div,.metrics div{justify-content:space-between;align-items:center;min-height:23px;font-size:13.5px;display:flex}.kinds dt,.metrics dt{color:var(--soft)}.kinds i{border-radius:2.5px;width:9px;height:9px;margin-inline-end:4px;display:inline-block}.metrics{margin-top:6px}.metrics dt{text-overflow:ellipsis;white-space:nowrap;overflow:hidden}.metrics div,.metrics .rank{font-size:12.5px}.metrics dd{flex:none;align-items:center;display:flex}.metrics .figure{text-align:end;min-width:38px}.ticks{stroke:var(--quiet);stroke-opacity:.35}.tick{stroke:var(--accent);stroke-width:2px}.caution{color:var(--quiet);margin-top:10px;font-size:12.5px}.footer{border-top:1px solid var(--hair);height:32px;color:var(--quiet);white-space:nowrap;flex:none;justify-content:space-between;align-items:center;gap:24px;padding:0 28px;font-size:12.5px;display:flex;overflow:hidden}.footer p{gap:26px;display:flex}.keys{gap:16px!important}kbd{font:inherit;color:var(--soft)}.help{width:min(660px,100vw - 32px);color:var(--ink);background:var(--raised);box-shadow:0 0 0 1px var(--hair), 0 24px 80px #00000040;border:0;border-radius:14px;padding:0}.help::backdrop{background:#0000004d}.help-body{padding:22px 26px 26px}.help .heading{align-items:center}.help h2{color:var(--ink);font-size:18px;font-weight:650}.help p{color:var(--soft);margin-top:10px}.keytable{grid-template-columns:1fr 1fr;gap:5px 26px;margin-top:18px;font-size:13.5px;display:grid}.keytable div{gap:10px;display:flex}.keytable dt{min-width:7.4em}.keytable dt kbd{color:var(--ink);white-space:nowrap;font-weight:550}.keytable dd{color:var(--soft)}@container (width<=1340px){.switches{column-gap:12px}}@container (width<=1240px){.finder .chip:nth-child(n+3),.metrics .strip{display:none}.note{flex:180px;order:1}.scale{order:2}.keys{display:none!important}.side,.inspector,.stage{padding-inline:20px}.scroller{margin-inline:-20px}.edges li{grid-template-columns:minmax(0,1fr) 72px 42px}}@container (width<=1000px){.model span{display:none}}@container (width<=880px){.app{height:auto;min-height:var(--height);overflow:visible}.body{grid-template-columns:minmax(0,1fr)}.topbar{flex-wrap:wrap;gap:8px 14px;height:auto;padding:12px 16px}.actions{gap:4px}.texts{flex-direction:column;flex:1 0 100%;order:3;height:auto}.sentence{flex:none;height:38px}.sentence+.sentence,.add{border-inline-start:0;border-top:1px solid var(--hair)}.add{text-align:start;height:38px}.stepper{border-bottom:1px solid var(--hair);align-items:center;gap:14px;padding:10px 16px;display:flex}.step{white-space:nowrap;align-items:center;gap:7px;display:flex}.step .chip{width:30px;height:30px;padding:0;font-size:16px}.stepper>.chip{height:30px;margin-inline-start:auto}.side,.inspector{border:0;padding:20px 16px;overflow:visible}.side{border-bottom:1px solid var(--hair)}.side[data-folded=true]{display:none}.stage{padding:12px 16px 0}.note{min-height:0}.finder .chip:nth-child(n+3),.metrics .strip{display:revert}.scale-key{flex-wrap:wrap;gap:4px 14px;height:auto;padding:8px 0}.scroller{flex:none;height:auto;max-height:82dvh;margin-inline:-16px}.table{margin-inline:0}.inspector{border-top:1px solid var(--hair);margin-top:18px}.footer{white-space:normal;height:auto;padding:12px 16px}.footer p{flex-wrap:wrap;gap:2px 20px}.keytable{grid-template-columns:1fr}.problem{order:1;margin:8px 16px;position:sticky;bottom:8px;left:0;right:0}}@container (width>=580px) and (width<=880px){.inspector{grid-template-columns:1fr 1fr;align-content:start;column-gap:44px;display:grid}.inspector>.title,.inspector>.subject{grid-column:1/-1}.inspector>.group:last-child{grid-area:3/2/span 2;margin-top:16px}.side:not([data-folded=true]){flex-direction:row;gap:44px}.side>*{flex:1 1 0;min-width:0}}@media (prefers-reduced-motion:reduce){*,:before{transition:none!important;animation-duration:.01ms!important;animation-iteration-count:1!important}}@media (forced-colors:active){.token[data-lit]{text-decoration:underline}}";
// src/index.tsx
function xi({ model: e, el: t }) {
	return Si(new pi(e, ""), t);
}
function Si(e, t) {
	let n = t.shadowRoot ?? t.attachShadow({ mode: "open" }), r = new CSSStyleSheet();
	return r.replaceSync(bi), n.adoptedStyleSheets = [r], P(/* @__PURE__ */ Z(Fr, {
		session: e,
		host: t
	}), n), () => {
		e.close(), P(null, n);
	};
}
function Ci(e) {
	let { editable: t, focus: n } = e.dataset, r = wi(e, {
		editable: t === "true",
		focus: n ? JSON.parse(n) : null
	});
	e.toggleAttribute("data-full", !0);
	let i = new CSSStyleSheet();
	i.replaceSync("html,body{margin:0;height:100%}"), document.adoptedStyleSheets = [...document.adoptedStyleSheets, i];
	let a = new pi(r, location.hash);
	Kr(a), Si(a, e);
}
function wi(e, t) {
	return e.dataset.headscope === "app" ? new Zr(t, t.editable ? bt(location.hash, q).texts : null) : new si(t, document.getElementById("headscope-data")?.textContent ?? "");
}
for (let e of document.querySelectorAll("main[data-headscope]")) Ci(e);
var Ti = { render: xi };
export { Ti as default };
