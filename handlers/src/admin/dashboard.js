/* The dashboard: asks for the state once a second, and draws what has come.
   Owns: charts on canvases, tables, how numbers are written. Must not know: where they come from (`/api/state`). */
'use strict'

/** Seconds that are kept, and those that are shown: a minute at first. */
const KEPT = 180
const shown = () => (seconds.length <= 60 ? 60 : KEPT)
const $ = (id) => document.getElementById(id)

// ---- numbers as people read them

const grouped = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })

function count(value) {
  if (value < 10_000) return grouped.format(value)
  return value < 1e6 ? `${(value / 1e3).toFixed(1)}k` : value < 1e9 ? `${(value / 1e6).toFixed(1)}M` : `${(value / 1e9).toFixed(1)}G`
}

function bytes(value) {
  if (value < 1024) return `${value} B`
  const units = ['KiB', 'MiB', 'GiB', 'TiB']
  const at = Math.min(Math.floor(Math.log2(value) / 10), units.length)
  const scaled = value / 1024 ** at
  return `${scaled < 10 ? scaled.toFixed(1) : Math.round(scaled)} ${units[at - 1]}`
}

function time(micros) {
  if (!micros) return '–'
  if (micros < 1000) return `${micros} µs`
  if (micros < 1e6) return `${(micros / 1e3).toFixed(micros < 1e4 ? 1 : 0)} ms`
  return `${(micros / 1e6).toFixed(1)} s`
}

function span(seconds) {
  const parts = [[86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']]
  const at = Math.max(parts.findIndex(([size]) => seconds >= size), 0)
  const [size, unit] = seconds ? parts[at] : parts[3]
  const rest = parts[at + 1] && Math.floor((seconds % size) / parts[at + 1][0])
  return `${Math.floor(seconds / size)} ${unit}${rest ? ` ${rest} ${parts[at + 1][1]}` : ''}`
}

// ---- what has come

/** One entry a second: a list of points, that of all workers first. Of a point: worker, requests, failures, p50, p90, p99, heap,
 * connections, thousandths of a second of JavaScript. */
const seconds = []
let last = 0
let state = null
const WORKER = 0, REQUESTS = 1, FAILED = 2, P50 = 3, P90 = 4, P99 = 5, HEAP = 6, CONNECTIONS = 7, BUSY = 8
const ALL = -1

const pointOf = (second, worker) => second?.find((point) => point[WORKER] === worker)
const numbers = () => [...new Set(state.workers.map((worker) => worker.number))].sort((a, b) => a - b)
const now = () => seconds[seconds.length - 1]

// ---- charts

const isDark = matchMedia('(prefers-color-scheme: dark)')
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()

function hue(at, of) {
  const start = 174
  return `hsl(${Math.round(start + (360 * at) / Math.max(of, 3)) % 360} ${isDark.matches ? '62% 60%' : '64% 38%'})`
}

/** The next number above `value` that reads well: 1, 2 or 5 and zeros; of bytes by powers of two. */
function above(value, isBinary) {
  if (isBinary) return 2 ** Math.ceil(Math.log2(Math.max(value, 1 << 20)))
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)))
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value)
}

const charts = [
  { id: 'chart-rate', name: 'requests per second', field: REQUESTS, isStacked: true, show: count, least: 10 },
  { id: 'chart-latency', name: 'latency', isLatency: true, show: time },
  { id: 'chart-busy', name: 'JavaScript', field: BUSY, scale: 0.1, most: 100, show: (value) => `${Math.round(value)}%` },
  { id: 'chart-heap', name: 'heap', field: HEAP, isBinary: true, show: bytes },
  { id: 'chart-connections', name: 'connections', field: CONNECTIONS, isStacked: true, show: count, least: 10 },
]

/** The lines of a chart: a name, a colour and a value for each second, newest last. */
function linesOf(chart) {
  if (chart.isLatency) {
    const names = [['p50', P50, '--good'], ['p90', P90, '--warn'], ['p99', P99, '--bad']]
    return names.map(([name, field, hue]) => ({ name, hue: colour(hue), values: seconds.map((second) => pointOf(second, ALL)?.[field] || null) }))
  }
  const all = numbers()
  return all.map((number, at) => ({
    name: `core ${number}`,
    hue: hue(at, all.length),
    values: seconds.map((second) => (pointOf(second, number)?.[chart.field] ?? 0) * (chart.scale ?? 1)),
  }))
}

function draw(chart) {
  const canvas = $(chart.id), ratio = devicePixelRatio || 1
  const width = canvas.clientWidth, height = canvas.clientHeight
  if (!width) return
  // A canvas that is given its size is empty: only where it has another one.
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio)
    canvas.height = Math.round(height * ratio)
  }
  const g = canvas.getContext('2d')
  g.setTransform(ratio, 0, 0, ratio, 0, 0)
  g.clearRect(0, 0, width, height)
  g.font = '11px system-ui, sans-serif'
  const lines = linesOf(chart)
  const place = { left: 52, right: width - 4, top: 8, bottom: height - 18 }
  const axis = chart.isLatency ? logarithmic(lines) : linear(chart, lines)
  const y = (value) => place.bottom - axis.at(value) * (place.bottom - place.top)
  const x = (at) => place.right - ((seconds.length - 1 - at) / (shown() - 1)) * (place.right - place.left)
  grid(g, chart, axis, place, y)
  if (chart.isStacked) drawStacked(g, lines, x, y)
  else lines.forEach((line) => drawLine(g, line, line.values, x, y))
  point(g, chart, lines, place, x)
  canvas.setAttribute('aria-label', `${chart.name}: ${lines.map((line) => `${line.name} ${chart.show(line.values.at(-1) ?? 0)}`).join(', ')}`)
}

function linear(chart, lines) {
  const sums = seconds.map((_, at) => {
    const values = lines.map((line) => line.values[at] ?? 0)
    return chart.isStacked ? values.reduce((all, value) => all + value, 0) : Math.max(...values, 0)
  })
  const most = chart.most ?? above(Math.max(...sums, chart.least ?? 1), chart.isBinary)
  // Of 1, 10, 100 and of 5, 50, 500 fifths are round, of all others quarters.
  const parts = chart.isBinary || chart.most || String(most)[0] === '2' ? 4 : 5
  return { at: (value) => Math.min(value / most, 1), ticks: Array.from({ length: parts + 1 }, (_, at) => (most * at) / parts) }
}

/** Powers of ten from below the least to above the most. */
function logarithmic(lines) {
  const values = lines.flatMap((line) => line.values).filter(Boolean)
  const low = Math.floor(Math.log10(Math.min(...values, 1000))), high = Math.ceil(Math.log10(Math.max(...values, 1001)))
  const ticks = Array.from({ length: high - low + 1 }, (_, at) => 10 ** (low + at))
  return { at: (value) => Math.min(Math.max((Math.log10(value) - low) / (high - low), 0), 1), ticks }
}

function grid(g, chart, axis, place, y) {
  g.lineWidth = 1
  g.strokeStyle = colour('--grid')
  g.fillStyle = colour('--soft')
  g.textAlign = 'right'
  g.textBaseline = 'middle'
  for (const tick of axis.ticks) {
    const at = Math.round(y(tick)) + 0.5
    g.beginPath()
    g.moveTo(place.left, at)
    g.lineTo(place.right, at)
    g.stroke()
    g.fillText(chart.show(tick) === '–' ? '0' : chart.show(tick), place.left - 6, at)
  }
  g.textBaseline = 'alphabetic'
  const all = shown(), minutes = (ago) => (all === 60 ? `−${ago} s` : `−${ago / 60} min`)
  for (const [ago, align] of [[all, 'left'], [(all * 2) / 3, 'center'], [all / 3, 'center'], [0, 'right']]) {
    g.textAlign = align
    const at = place.right - (Math.min(ago, all - 1) / (all - 1)) * (place.right - place.left)
    g.fillText(ago ? minutes(ago) : 'now', at, place.bottom + 14)
  }
}

function drawStacked(g, lines, x, y) {
  let below = seconds.map(() => 0)
  for (const line of lines) {
    const top = below.map((value, at) => value + (line.values[at] ?? 0))
    g.beginPath()
    top.forEach((value, at) => (at ? g.lineTo(x(at), y(value)) : g.moveTo(x(at), y(value))))
    for (let at = below.length - 1; at >= 0; at--) g.lineTo(x(at), y(below[at]))
    g.closePath()
    g.fillStyle = line.hue
    g.globalAlpha = 0.25
    g.fill()
    g.globalAlpha = 1
    drawLine(g, line, top, x, y)
    below = top
  }
}

function drawLine(g, line, values, x, y) {
  g.beginPath()
  let isDown = false
  values.forEach((value, at) => {
    if (value === null) isDown = false
    else if (isDown) g.lineTo(x(at), y(value))
    else { g.moveTo(x(at), y(value)); g.lineTo(x(at) + 0.5, y(value)); isDown = true }
  })
  g.strokeStyle = line.hue
  g.lineWidth = 1.6
  g.lineJoin = 'round'
  g.stroke()
}

/** What is under the pointer, or the newest. */
function point(g, chart, lines, place, x) {
  let at = seconds.length - 1
  if (chart.pointer !== undefined) {
    const share = (place.right - chart.pointer) / (place.right - place.left)
    at = Math.min(Math.max(Math.round(seconds.length - 1 - share * (shown() - 1)), 0), seconds.length - 1)
    g.strokeStyle = colour('--soft')
    g.beginPath()
    g.moveTo(Math.round(x(at)) + 0.5, place.top)
    g.lineTo(Math.round(x(at)) + 0.5, place.bottom)
    g.stroke()
  }
  const told = lines.length > 8 && !chart.isLatency
    ? [`${chart.show(lines.reduce((all, line) => all + (line.values[at] ?? 0), 0))} in all`]
    : lines.map((line) => `${line.name.replace('core ', '#')} ${chart.show(line.values[at] ?? 0)}`)
  $(chart.id).parentElement.querySelector('output').textContent = told.join('  ')
}

// ---- tables

function cell(text, kind) {
  const td = document.createElement('td')
  if (kind) td.className = kind
  td.append(text)
  return td
}

function fill(id, rows, empty) {
  const body = $(id).tBodies[0]
  body.replaceChildren(...rows)
  if (rows.length) return
  const td = cell(empty, 'empty')
  td.colSpan = 9
  const tr = document.createElement('tr')
  tr.append(td)
  body.append(tr)
}

function row(...cells) {
  const tr = document.createElement('tr')
  tr.append(...cells)
  return tr
}

function fillWorkers() {
  const all = numbers()
  fill('workers', state.workers.map((worker) => {
    const latest = pointOf(now(), worker.number)
    const name = document.createElement('span')
    const dot = document.createElement('i')
    dot.className = 'dot'
    dot.style.background = hue(all.indexOf(worker.number), all.length)
    name.append(dot, String(worker.number))
    const told = worker.serving ? `${worker.state} in ${worker.serving}` : worker.state
    return row(cell(name), cell(told, worker.state === 'serving' ? '' : 'bad'), cell(count(latest?.[REQUESTS] ?? 0), 'n'), cell(time(latest?.[P99]), 'n'),
      cell(count(worker.connections), 'n wide-only'), cell(bytes(worker.heap), 'n'))
  }), 'none yet')
}

function fillRoutes() {
  const most = Math.max(...state.routes.map(([, requests]) => requests), 1)
  fill('routes', state.routes.map(([name, requests, failed, micros]) => {
    const route = document.createElement('div')
    const bar = document.createElement('div')
    bar.className = 'bar'
    bar.style.width = `${Math.max((100 * requests) / most, 0.5)}%`
    route.append(name || 'all others (404, and what is asked for seldom)', bar)
    return row(cell(route, 'route'), cell(count(requests), 'n'), cell(time(Math.round(micros / requests)), 'n wide-only'), cell(count(failed), failed ? 'n bad' : 'n'))
  }), 'nothing was asked for yet')
}

let failuresShown = ''

/** Only where they have changed: who reads one has it open. */
function fillFailures() {
  const key = JSON.stringify(state.failures)
  if (key === failuresShown) return
  failuresShown = key
  const opened = new Set([...$('failures').querySelectorAll('details[open]')].map((known) => known.dataset.key))
  const all = state.failures.map((failure) => {
    const details = document.createElement('details')
    details.dataset.key = `${failure.request} ${failure.text}`
    details.open = opened.has(details.dataset.key)
    const summary = document.createElement('summary'), when = document.createElement('time'), stack = document.createElement('pre')
    const date = new Date(failure.time)
    when.dateTime = date.toISOString()
    when.textContent = date.toLocaleTimeString()
    const times = failure.times > 1 ? ` (${failure.times} times)` : ''
    summary.append(when, `${failure.status} ${failure.request}: ${failure.text}${times}`)
    stack.textContent = failure.stack || 'no stack'
    details.append(summary, stack)
    return details
  })
  $('failures').replaceChildren(...all)
  if (!all.length) {
    const none = document.createElement('p')
    none.className = 'empty'
    none.textContent = 'none'
    $('failures').append(none)
  }
}

// ---- all of it

function set(id, text) {
  if ($(id).textContent !== text) $(id).textContent = text
}

let cpuBefore = null

function show() {
  const latest = pointOf(now(), ALL) ?? []
  set('version', state.version)
  set('app', [state.app, ...(state.addresses ?? [])].join('  '))
  set('state', `${state.state}, ${span(state.uptime)}`)
  $('state').dataset.state = state.state
  set('rate', count(latest[REQUESTS] ?? 0))
  set('requests', `${count(state.requests)} since the start`)
  set('p99', time(latest[P99]))
  set('p50', `p50 ${time(latest[P50])}, p90 ${time(latest[P90])}`)
  set('failed', count(latest[FAILED] ?? 0))
  const refusals = state.limits.reduce((all, [, times]) => all + times, 0)
  set('limits-sum', `limits reached: ${count(refusals)}`)
  set('busy', `${((latest[BUSY] ?? 0) / 10).toFixed(0)}%`)
  const cpu = cpuBefore && state.uptime > cpuBefore[0] ? (state.cpu - cpuBefore[1]) / 10 / (state.uptime - cpuBefore[0]) : null
  if (cpu !== null) set('cpu', `process: ${cpu.toFixed(0)}% CPU`)
  cpuBefore = [state.uptime, state.cpu]
  set('connections', count(state.workers.reduce((all, worker) => all + worker.connections, 0)))
  set('sockets', `${count(state.webSockets)} WebSockets, ${count(state.scripts)} scripts`)
  set('resident', bytes(state.resident))
  set('heap', `heap ${bytes(state.workers.reduce((all, worker) => all + worker.heap, 0))}`)
  set('footer', `process ${state.pid}, io: ${state.backend ?? '…'}, ${state.descriptors} descriptors, ${bytes(state.received)} in, ${bytes(state.sent)} out, ` +
    `${state.replaced} workers replaced, heap limit ${bytes(state.heapMax)} a core, since ${new Date(state.started).toLocaleString()}`)
  charts.forEach(draw)
  fillWorkers()
  fillRoutes()
  fillFailures()
  fill('limits', state.limits.map(([flag, times]) => row(cell(`--${flag}`, 'route'), cell(count(times), 'n'))), 'none')
}

async function look() {
  try {
    const answer = await fetch(`/api/state?since=${last}`, { signal: AbortSignal.timeout(4000) })
    if (!answer.ok) throw new Error(answer.statusText)
    const fresh = await answer.json()
    // Another process has its own count of seconds.
    if (state && (fresh.pid !== state.pid || fresh.last < last)) seconds.length = 0
    state = fresh
    last = fresh.last
    seconds.push(...fresh.seconds)
    seconds.splice(0, Math.max(seconds.length - KEPT, 0))
    show()
  } catch {
    set('state', 'unreachable')
    $('state').dataset.state = 'unreachable'
  }
  setTimeout(look, 1000)
}

for (const chart of charts) {
  $(chart.id).onpointermove = (event) => { chart.pointer = event.offsetX; if (state) draw(chart) }
  $(chart.id).onpointerleave = () => { chart.pointer = undefined; if (state) draw(chart) }
}
const redraw = () => { if (state) show() }
addEventListener('resize', redraw)
isDark.addEventListener('change', redraw)
look()
