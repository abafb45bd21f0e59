// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/report/PageStyle.h"

namespace sinter::codegen::report {

const char *const pageStyle = R"css(
:root{color-scheme:light dark;--bg:#fff;--fg:#1c2024;--soft:#5c6670;--line:#dde2e7;--panel:#f6f8fa;--accent:#1f5fbf;
--blue:#2f6fd0;--teal:#128a80;--green:#3d8b37;--orange:#c36a12;--red:#c0443c;--violet:#7a56c2;--pink:#b3478a;--grey:#77818b}
@media (prefers-color-scheme:dark){:root{--bg:#14171a;--fg:#e3e7ea;--soft:#99a4ae;--line:#31383f;--panel:#1c2125;--accent:#7db0ff;
--blue:#6ea4f5;--teal:#4cc2b6;--green:#7cc275;--orange:#e9a052;--red:#ee8079;--violet:#ab8df0;--pink:#e383bd;--grey:#97a1ab}}
*{box-sizing:border-box}
html{scroll-padding-top:3.2rem;-webkit-text-size-adjust:100%}
body{margin:0;background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
header,main{max-width:1180px;margin:0 auto;padding:0 16px}
header{padding-top:22px}
h1{font-size:1.55rem;line-height:1.25;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:38px 0 10px;padding-top:10px;border-top:1px solid var(--line)}
h3{font-size:.95rem;margin:16px 0 6px}
p{margin:.4em 0 .8em;max-width:76ch}
a{color:var(--accent);text-decoration:none}a:hover{text-decoration:underline}
.soft{color:var(--soft)}
nav{position:sticky;top:0;z-index:2;background:var(--bg);border-bottom:1px solid var(--line)}
nav div{max-width:1180px;margin:0 auto;padding:8px 16px;display:flex;gap:18px;overflow-x:auto;white-space:nowrap}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:10px;margin:16px 0;padding:0}
.tiles div{background:var(--panel);border:1px solid var(--line);border-radius:6px;padding:9px 12px}
.tiles dt{color:var(--soft);font-size:.8rem}.tiles dd{margin:0;font-size:1.2rem;font-variant-numeric:tabular-nums}
.tiles small{display:block;font-size:.78rem;color:var(--soft)}
ul.findings{padding-left:1.2em;max-width:92ch}ul.findings li{margin:.3em 0}
.scroll{overflow:auto;max-height:80vh;border:1px solid var(--line);border-radius:6px;background:var(--bg);-webkit-overflow-scrolling:touch}
svg{display:block}
table{border-collapse:collapse;font-size:.87rem;width:100%}
th,td{text-align:left;padding:4px 10px 4px 8px;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--soft);font-weight:600;white-space:nowrap}
td.r,th.r{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td.w{overflow-wrap:anywhere;min-width:14ch}
code,pre{font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
pre{margin:4px 0;padding:8px 10px;background:var(--panel);border:1px solid var(--line);border-radius:6px;overflow-x:auto}
pre .l{color:var(--soft)}
.chips{display:flex;flex-wrap:wrap;gap:6px 14px;margin:8px 0;font-size:.85rem}
.chips span::before{content:"";display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:6px;background:var(--c)}
.bar{display:none;gap:8px;flex-wrap:wrap;align-items:center;margin:8px 0;font-size:.88rem}.js .bar{display:flex}
.bar button,.bar input{font:inherit;color:inherit;background:var(--panel);border:1px solid var(--line);border-radius:5px;padding:3px 10px}
.bar button[aria-pressed=true]{border-color:var(--accent);color:var(--accent)}
.bar input{flex:1 1 180px;min-width:0}
.head,summary.k{display:grid;grid-template-columns:3rem 6.4rem minmax(0,1fr) minmax(0,11rem) 7rem 4.9rem 4.9rem 5.8rem;gap:0 10px;align-items:baseline}
.head{color:var(--soft);font-size:.8rem;font-weight:600;padding:4px 11px 4px 14px;align-items:end}
.head .r,.num{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
details.k{border:1px solid var(--line);border-left:4px solid var(--c);border-radius:4px;margin:4px 0;content-visibility:auto;contain-intrinsic-size:auto 34px}
details.k:target{outline:2px solid var(--accent)}
summary{cursor:pointer}
summary.k{list-style:none;padding:5px 10px;font-size:.88rem}summary.k::-webkit-details-marker{display:none}
summary.k:hover{background:var(--panel)}
.ops,.line{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}.line{color:var(--soft)}
.share{position:relative;background:var(--panel);border-radius:3px;height:1.2em;align-self:center}
.share i{position:absolute;inset:0 auto 0 0;background:var(--c);opacity:.55;border-radius:3px;max-width:100%}
.share b{position:absolute;right:5px;font-weight:400;font-size:.8rem;line-height:1.5em}
.body{padding:2px 12px 12px;border-top:1px solid var(--line)}
.body>div{overflow-x:auto}
details.fold>summary{padding:5px 0;font-weight:600}
.f-loop{--c:var(--blue)}.f-row{--c:var(--teal)}.f-reduce{--c:var(--green)}.f-contraction{--c:var(--orange)}.f-convolution{--c:var(--red)}
.f-attention{--c:var(--violet)}.f-scatter,.f-cumulative,.f-sort{--c:var(--pink)}.f-pairs{--c:var(--violet)}.none{--c:var(--grey)}
.in,.par,.out{--c:var(--grey)}
svg text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;fill:var(--fg)}
svg .s{font-size:10.5px;fill:var(--soft)}svg .k,svg .cut{font-size:10px;fill:var(--soft)}svg .dl,svg .bt{font-size:10.5px}
svg .bt,svg .dl{pointer-events:none}svg .cut,svg .dl{paint-order:stroke;stroke:var(--bg);stroke-width:3px;stroke-linejoin:round}
.n rect{fill:var(--bg);stroke:var(--c,var(--grey));stroke-width:1.4}
@supports (fill:color-mix(in srgb,red,blue)){.n rect{fill:color-mix(in srgb,var(--c,var(--grey)) 13%,var(--bg))}}
.in rect,.out rect{stroke-width:1.8}.par rect{stroke-dasharray:3 2}.none rect{stroke-dasharray:2 3}
a:hover .n rect{stroke-width:2.6}
.e{fill:none;stroke:var(--grey);stroke-width:1.1;opacity:.75}.e:hover{stroke:var(--accent);stroke-width:2.4;opacity:1}
.grid{stroke:var(--line);stroke-width:1;fill:none}.roof{stroke:var(--fg);stroke-width:1.6;fill:none}
.peak{stroke:var(--red);stroke-width:1.2;stroke-dasharray:4 3;fill:none}
.area{fill:var(--blue);opacity:.35}
.b rect{fill:var(--c);fill-opacity:.38;stroke:var(--c);stroke-width:.8}.b:hover rect{fill-opacity:.75}
.c0,.c1{--c:var(--blue)}.c2{--c:var(--teal)}.c3{--c:var(--orange)}.c4{--c:var(--violet)}.c5{--c:var(--green)}.c6{--c:var(--pink)}.scratch{--c:var(--grey)}
.dot{fill:var(--c);fill-opacity:.5;stroke:var(--c);stroke-width:1.2}.dot.best{fill-opacity:.08;stroke-dasharray:3 2}
footer{max-width:1180px;margin:40px auto 30px;padding:0 16px;color:var(--soft);font-size:.82rem}
@media (max-width:760px){
body{font-size:14.5px}.head{display:none}
summary.k{grid-template-columns:3em minmax(0,1fr) 5.4em 5.6em;gap:2px 8px}
summary.k .ops{grid-column:1/-1;order:2}summary.k .line{grid-column:1/-1;order:3}summary.k .share{grid-column:2/3;order:1;display:none}
summary.k .fl{display:none}
.scroll{max-height:70vh}.tiles{grid-template-columns:repeat(2,minmax(0,1fr))}
td,th{padding:4px 6px}
}
@media print{nav,.bar{display:none!important}.scroll{max-height:none;overflow:visible}}
)css";

const char *const pageScript = R"js(
(function(){
var root=document.documentElement,list=document.getElementById('list');root.classList.add('js');
function open(){var id=location.hash.slice(1),e=id&&document.getElementById(id);
if(e&&e.tagName==='DETAILS'){e.open=true;e.scrollIntoView()}}
addEventListener('hashchange',open);open();
[].forEach.call(document.querySelectorAll('svg.graph'),function(g){var s=g.parentNode,d=s.parentNode;
function center(){s.scrollLeft=(s.scrollWidth-s.clientWidth)/2}
center();d.addEventListener('toggle',center)});
if(!list)return;
var items=[].slice.call(list.children),buttons=[].slice.call(document.querySelectorAll('button[data-sort]'));
buttons.forEach(function(b){b.onclick=function(){var key=b.dataset.sort;
buttons.forEach(function(o){o.setAttribute('aria-pressed',o===b)});
items.slice().sort(function(x,y){return key==='n'?x.dataset.n-y.dataset.n:y.dataset[key]-x.dataset[key]||x.dataset.n-y.dataset.n})
.forEach(function(e){list.appendChild(e)})}});
var all=document.getElementById('all');
all.onclick=function(){var o=all.dataset.open!=='1';all.dataset.open=o?'1':'0';all.textContent=o?'Close all':'Open all';
items.forEach(function(e){if(!e.hidden)e.open=o})};
var find=document.getElementById('find');
find.oninput=function(){var w=find.value.toLowerCase();
items.forEach(function(e){e.hidden=w!==''&&e.textContent.toLowerCase().indexOf(w)<0})};
})();
)js";

} // namespace sinter::codegen::report
