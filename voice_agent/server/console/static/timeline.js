// The picture of a call: both voices on one line of time, and what happened. Only what is in view is drawn.
import { clock, duration, LATE_MS } from "./format.js";

const RULER = 18;
const VOICE = 62;
const CALLER = RULER + 4;
const AGENT = CALLER + VOICE + 22; // between them the waits are written
const TOOLS = AGENT + VOICE + 6;
const MODEL = TOOLS + 20;
const MOMENTS = MODEL + 16;
const STEPS = [100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000, 120_000, 300_000];
const LOOK_MS = 15_000; // how much is in view when somebody looks at a place
const NEAR_PX = 6;
const PEAK_MS = 10;

export class Timeline {
  // scroller > width > canvas; `seek(ms)` is called when somebody clicks into the picture.
  constructor(scroller, width, canvas, seek) {
    Object.assign(this, { scroller, width, canvas, context: canvas.getContext("2d") });
    this.course = null;
    this.peaks = null;
    this.at = 0;
    this.msPerPixel = 10;
    this.fits = true;
    this.asked = 0;
    this.colours = {}; // of the theme that is in force, by name
    scroller.addEventListener("scroll", () => this.draw(), { passive: true });
    canvas.addEventListener("click", (event) => seek(this.msAt(event.clientX)));
    canvas.addEventListener("pointermove", (event) => {
      canvas.title = this.course ? this.told(this.msAt(event.clientX)) : "";
    });
    scroller.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      this.zoom(event.deltaY > 0 ? 1.25 : 0.8, event.clientX);
    }, { passive: false });
    new ResizeObserver(() => this.resize()).observe(scroller);
    document.addEventListener("themechange", () => {
      this.colours = {};
      this.draw();
    });
  }

  show(course) {
    this.course = course;
    this.fit();
  }

  showPeaks(peaks) {
    this.peaks = peaks;
    this.draw();
  }

  fit() {
    this.fits = true;
    this.resize();
  }

  zoom(factor, clientX) {
    if (!this.course) return;
    const box = this.scroller.getBoundingClientRect();
    const x = clientX === undefined ? this.xInView() : clientX - box.left;
    const ms = (this.scroller.scrollLeft + x) * this.msPerPixel;
    this.fits = false;
    this.setScale(this.msPerPixel * factor);
    this.scroller.scrollLeft = ms / this.msPerPixel - x;
    this.draw();
  }

  // Shows a place closely.
  look(ms) {
    this.fits = false;
    this.setScale(Math.min(this.msPerPixel, LOOK_MS / Math.max(1, this.scroller.clientWidth)));
    this.scroller.scrollLeft = ms / this.msPerPixel - this.scroller.clientWidth * 0.3;
    this.draw();
  }

  // Says what is at a place, with its values.
  told(ms) {
    const { course } = this;
    const near = this.msPerPixel * NEAR_PX;
    const at = (span) => span.begin_ms <= ms && ms <= span.end_ms;
    const lasts = (span) => duration(span.end_ms - span.begin_ms);
    const waits = course.answers.filter((answer) => answer.response_ms > 0)
      .map((answer) => ({ begin_ms: answer.begin_ms - answer.response_ms, end_ms: answer.begin_ms }));
    const cut = course.answers.filter((answer) => answer.interrupted && answer.total_ms > answer.heard_ms);
    return [clock(ms),
      course.turns.filter(at).map((turn) => `caller ${lasts(turn)}`),
      course.keys.filter((key) => Math.abs(key.at_ms - ms) <= near).map((key) => `key ${key.digit}`),
      course.answers.filter(at).map((answer) => `agent ${lasts(answer)}`),
      course.own.filter(at).map((own) => `${own.what} ${lasts(own)}`),
      cut.filter((answer) => answer.end_ms < ms && ms <= answer.begin_ms + answer.total_ms)
        .map((answer) => `not heard ${duration(answer.total_ms - answer.heard_ms)}`),
      cut.filter((answer) => answer.cut_ms !== null && Math.abs(answer.cut_ms - ms) <= near).map((answer) => `interrupted at ${clock(answer.cut_ms)}`),
      waits.filter(at).map((wait) => `wait for an answer ${lasts(wait)}`),
      course.silences.filter((silence) => silence.what === "silence" && at(silence)).map((silence) => `silence ${lasts(silence)}`),
      course.tools.filter(at).map((run) => `tool ${run.name} ${lasts(run)}${run.failed ? ", failed" : ""}${run.waits && `, waits ${run.waits}`}`),
      course.responses.filter(at).map((response) => `model at work ${lasts(response)}${response.what && `, ${response.what}`}`),
      course.moments.filter((moment) => Math.abs(moment.at_ms - ms) <= near).map((moment) => moment.what),
    ].flat().join(" · ");
  }

  // Where the playhead is in view, or the middle.
  xInView() {
    const x = this.at / this.msPerPixel - this.scroller.scrollLeft;
    return x >= 0 && x <= this.scroller.clientWidth ? x : this.scroller.clientWidth / 2;
  }

  // Moves the playhead; `follow`: and keeps it in view.
  moveTo(ms, follow = false) {
    this.at = ms;
    if (follow) {
      const x = ms / this.msPerPixel - this.scroller.scrollLeft;
      const view = this.scroller.clientWidth;
      if (x < 0 || x > view * 0.92) this.scroller.scrollLeft = ms / this.msPerPixel - view * 0.15;
    }
    this.draw();
  }

  msAt(clientX) {
    const x = clientX - this.scroller.getBoundingClientRect().left + this.scroller.scrollLeft;
    return Math.min(Math.max(0, x * this.msPerPixel), this.course.length_ms);
  }

  setScale(msPerPixel) {
    const whole = this.course.length_ms / Math.max(1, this.scroller.clientWidth);
    this.msPerPixel = Math.min(Math.max(2, msPerPixel), Math.max(2, whole));
    this.width.style.width = `${Math.max(this.scroller.clientWidth, Math.ceil(this.course.length_ms / this.msPerPixel))}px`;
  }

  resize() {
    if (!this.course) return;
    const ratio = devicePixelRatio || 1;
    const view = this.scroller.clientWidth;
    this.canvas.style.width = `${view}px`;
    this.canvas.width = Math.round(view * ratio);
    this.canvas.height = Math.round(this.height() * ratio);
    this.canvas.style.height = `${this.height()}px`;
    this.setScale(this.fits ? this.course.length_ms / Math.max(1, view) : this.msPerPixel);
    this.draw();
  }

  height() {
    return MOMENTS + 20;
  }

  draw() {
    if (this.asked || !this.course) return;
    this.asked = requestAnimationFrame(() => {
      this.asked = 0;
      this.paint();
    });
  }

  paint() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => (this.colours[name] ??= resolved(this.canvas, name));
    const { context, course } = this;
    const ratio = devicePixelRatio || 1;
    const view = this.scroller.clientWidth;
    const from = this.scroller.scrollLeft * this.msPerPixel;
    const to = from + view * this.msPerPixel;
    const x = (ms) => (ms - from) / this.msPerPixel;
    const seen = (span) => span.end_ms >= from && span.begin_ms <= to;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, view, this.height());
    context.font = `11px ${style.getPropertyValue("--font")}`;
    context.textBaseline = "middle";

    this.paintRuler(colour, from, to, x);
    context.fillStyle = colour("sunk");
    for (const top of [CALLER, AGENT]) context.fillRect(0, top, view, VOICE);

    const block = (top, height, begin, end, fill) => {
      context.fillStyle = fill;
      context.fillRect(x(begin), top, Math.max(1.5, x(end) - x(begin)), height);
    };
    for (const silence of course.silences) {
      if (silence.what !== "silence" || !seen(silence)) continue;
      block(CALLER + VOICE + 2, 18, silence.begin_ms, silence.end_ms, colour("sunk"));
      const text = `silence ${duration(silence.end_ms - silence.begin_ms)}`;
      if (x(silence.end_ms) - x(silence.begin_ms) > context.measureText(text).width + 6) {
        context.fillStyle = colour("muted");
        context.textAlign = "center";
        context.fillText(text, (x(silence.begin_ms) + x(silence.end_ms)) / 2, CALLER + VOICE + 12);
      }
    }
    // The wait stands between the lanes, so that neither voice is hidden.
    let labelled = -Infinity; // up to where
    for (const answer of course.answers) {
      if (answer.response_ms < 0) continue;
      const begin = answer.begin_ms - answer.response_ms;
      if (answer.begin_ms < from || begin > to) continue;
      const late = answer.response_ms > LATE_MS;
      block(CALLER + VOICE + 2, 18, begin, answer.begin_ms, colour(late ? "bad-soft" : "accent-soft"));
      const text = duration(answer.response_ms);
      const room = x(answer.begin_ms) - x(begin);
      const width = context.measureText(text).width + 6;
      const left = (x(begin) + x(answer.begin_ms) - width) / 2;
      if ((late || room > width) && left > labelled) {
        labelled = left + width;
        context.fillStyle = colour(late ? "bad" : "text");
        context.textAlign = "center";
        if (late) context.font = `600 11px ${style.getPropertyValue("--font")}`;
        context.fillText(text, (x(begin) + x(answer.begin_ms)) / 2, CALLER + VOICE + 12);
        context.font = `11px ${style.getPropertyValue("--font")}`;
      }
    }
    for (const turn of course.turns) if (seen(turn)) block(CALLER, VOICE, turn.begin_ms, turn.end_ms, colour("caller-soft"));
    course.answers.forEach((answer, index) => {
      if (answer.begin_ms + answer.total_ms < from || answer.begin_ms > to) return;
      block(AGENT, VOICE, answer.begin_ms, answer.end_ms, colour("agent-soft"));
      if (answer.interrupted && answer.total_ms > answer.heard_ms) {
        const next = course.answers[index + 1]?.begin_ms ?? Infinity;
        this.hatch(x(answer.end_ms), AGENT, x(Math.min(next, answer.begin_ms + answer.total_ms)), VOICE, colour("bad"));
      }
    });
    for (const own of course.own) if (seen(own)) block(AGENT, VOICE, own.begin_ms, own.end_ms, colour("own-soft"));
    if (this.peaks) {
      this.paintVoice(this.peaks.caller, CALLER, () => colour("caller"), from, view);
      const isOwn = (ms) => course.own.some((own) => own.begin_ms <= ms && ms < own.end_ms);
      this.paintVoice(this.peaks.agent, AGENT, (ms) => colour(isOwn(ms) ? "own" : "agent"), from, view);
    }
    context.fillStyle = colour("text");
    context.textAlign = "center";
    for (const key of course.keys) {
      if (key.at_ms < from || key.at_ms > to) continue;
      context.fillText(key.digit, x(key.at_ms), CALLER + VOICE - 8);
    }
    context.strokeStyle = colour("bad");
    context.lineWidth = this.msPerPixel > 200 ? 0.5 : 2;
    for (const answer of course.answers) {
      if (answer.cut_ms === null || answer.cut_ms < from || answer.cut_ms > to) continue;
      context.beginPath();
      context.moveTo(x(answer.cut_ms), CALLER);
      context.lineTo(x(answer.cut_ms), AGENT + VOICE);
      context.stroke();
    }
    context.textAlign = "left";
    for (const run of course.tools) {
      if (!seen(run)) continue;
      const broke = run.failed || !run.answered;
      if (run.waits && !broke) {
        context.strokeStyle = colour("line-strong");
        context.lineWidth = 1;
        context.strokeRect(x(run.begin_ms) + 0.5, TOOLS + 0.5, Math.max(2, x(run.end_ms) - x(run.begin_ms) - 1), 15);
      } else block(TOOLS, 16, run.begin_ms, run.end_ms, colour(broke ? "bad-soft" : "tool-soft"));
      this.label(run.failed ? `${run.name}: failed` : run.name, x(run.begin_ms) + 4, TOOLS + 9, colour(run.failed ? "bad" : "tool"), view);
    }
    for (const response of course.responses) {
      if (seen(response)) block(MODEL, 6, response.begin_ms, response.end_ms, colour("line-strong"));
    }
    for (const moment of course.moments) {
      if (moment.at_ms < from || moment.at_ms > to) continue;
      context.fillStyle = colour({ error: "bad", warning: "warn" }[moment.level] ?? "muted");
      context.beginPath();
      context.moveTo(x(moment.at_ms), MOMENTS);
      context.lineTo(x(moment.at_ms) + 5, MOMENTS + 10);
      context.lineTo(x(moment.at_ms) - 5, MOMENTS + 10);
      context.fill();
    }
    context.strokeStyle = colour("text");
    context.lineWidth = 1;
    const head = Math.round(x(this.at)) + 0.5;
    context.beginPath();
    context.moveTo(head, 0);
    context.lineTo(head, this.height());
    context.stroke();
  }

  paintRuler(colour, from, to, x) {
    const { context } = this;
    const step = STEPS.find((ms) => ms / this.msPerPixel >= 64) ?? STEPS.at(-1);
    context.textAlign = "left";
    context.strokeStyle = colour("line");
    context.lineWidth = 1;
    for (let ms = Math.floor(from / step) * step; ms <= to; ms += step) {
      const at = Math.round(x(ms)) + 0.5;
      context.beginPath();
      context.moveTo(at, 0);
      context.lineTo(at, this.height());
      context.stroke();
      context.fillStyle = colour("muted");
      context.fillText(clock(ms, step < 1000), at + 4, 8);
    }
  }

  paintVoice(values, top, fill, from, view) {
    const { context } = this;
    const middle = top + VOICE / 2;
    const perPixel = this.msPerPixel / PEAK_MS;
    for (let pixel = 0; pixel < view; pixel++) {
      const begin = Math.floor((from / PEAK_MS) + pixel * perPixel);
      const end = Math.max(begin + 1, Math.floor((from / PEAK_MS) + (pixel + 1) * perPixel));
      let peak = 0;
      for (let at = begin; at < end && at < values.length; at++) if (values[at] > peak) peak = values[at];
      const half = (peak / 255) * (VOICE / 2 - 1);
      if (half <= 0.4) continue;
      context.fillStyle = fill(from + pixel * this.msPerPixel);
      context.fillRect(pixel, middle - half, 1, 2 * half);
    }
  }

  hatch(begin, top, end, height, stroke) {
    const { context } = this;
    context.save();
    context.beginPath();
    context.rect(begin, top, Math.max(2, end - begin), height);
    context.clip();
    context.strokeStyle = stroke;
    context.globalAlpha = 0.55;
    context.lineWidth = 1;
    context.beginPath();
    const first = Math.max(-height, begin - height);
    for (let at = first; at < Math.min(end, this.scroller.clientWidth + height); at += 7) {
      context.moveTo(at, top + height);
      context.lineTo(at + height, top);
    }
    context.stroke();
    context.restore();
  }

  label(text, at, middle, fill, view) {
    if (this.msPerPixel > 120 || at > view) return;
    this.context.fillStyle = fill;
    this.context.fillText(text.length > 32 ? `${text.slice(0, 31)}…` : text, Math.max(4, at), middle);
  }
}

// Gives what a property that is one colour by day and another by night is now.
function resolved(element, name) {
  element.style.color = `var(--${name})`;
  return getComputedStyle(element).color;
}
