"""The page itself."""

from gadgets.pages.shell import page_html
from gadgets.viewer.page_files import page_file

_BODY = """
<div id="live">
<p id="state" role="status" aria-live="polite">Waiting for a scan.</p>
<p id="beware" class="label" hidden></p>
<section class="stage">
<figure><canvas id="now" width="1" height="1" role="img" aria-label="Newest image"></canvas>
<figcaption id="caption"></figcaption></figure>
<div><h2 id="tiles-title">What has come</h2><div id="tiles" role="group" aria-labelledby="tiles-title"></div></div>
</section>
<figure id="gating" hidden>
<canvas id="strip" width="1200" height="120" role="img" aria-label="Breathing and heartbeats"></canvas>
<figcaption>Breathing as it was found (curve) and heartbeats (ticks), over the time of the scan</figcaption></figure>
<p><button id="hold" type="button" aria-pressed="false">Hold</button></p>
</div>
"""


def live_page() -> str:
    """A page that asks its server for what is new, twice a second."""
    names = ("decode.js", "live/feed.js", "live/live.js")
    scripts = "\n".join(page_file(name) for name in names)
    return page_html("malibu: the scan that is running", _BODY, page_file("live/live.css"), [scripts], is_live=True)
