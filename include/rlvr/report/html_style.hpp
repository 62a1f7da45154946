// SPDX-License-Identifier: MIT
/// @file
/// The report's style sheet: system fonts, one accent, light and dark by the reader's preference.
#pragma once

#include <rlvr/core/config.hpp>

#include <string_view>

RLVR_NAMESPACE_BEGIN
namespace report {

/// Contents of the report's style element.
inline constexpr std::string_view html_style = R"css(
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#1b2430;--soft:#5b6675;--faint:#8a94a2;--line:#e2e6eb;
--grid:#eceff3;--code:#f3f5f8;--accent:#2563a8;--hit:37 99 168;--miss:214 112 30;
--c0:#2563a8;--c1:#d9771a;--c2:#2e8b57;--c3:#c2413b;--c4:#7b57b0;--c5:#d3ab2b;--c6:#1f8f99;--c7:#7a828c}
@media (prefers-color-scheme:dark){:root{--page:#10141a;--card:#181e26;--ink:#e4e9f0;--soft:#a3aebc;--faint:#77828f;
--line:#2a323d;--grid:#242c36;--code:#11161d;--accent:#7ab3ef;--hit:64 134 214;--miss:205 112 44;
--c0:#6aa7e8;--c1:#f0a35a;--c2:#5fbf88;--c3:#ee7c75;--c4:#b497e7;--c5:#e3c45c;--c6:#56c2cc;--c7:#98a2ae}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue","Noto Sans","Liberation Sans",Arial,sans-serif;-webkit-font-smoothing:antialiased}
main{max-width:1080px;margin:0 auto;padding:36px 28px 64px}
header{margin-bottom:26px}
.kicker{color:var(--accent);font-size:12px;font-weight:650;letter-spacing:.09em;text-transform:uppercase;margin:0 0 4px}
h1{font-size:30px;line-height:1.2;letter-spacing:-.015em;font-weight:680;margin:0 0 8px;overflow-wrap:anywhere}
h2{font-size:19px;letter-spacing:-.005em;font-weight:650;margin:44px 0 4px}
.lead{color:var(--soft);margin:0 0 16px;max-width:94ch}
.facts{display:flex;flex-wrap:wrap;gap:4px 22px;color:var(--soft);font-size:13px;margin:10px 0 0;padding:0;list-style:none}
.facts b{color:var(--ink);font-weight:600}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(180px,1fr));gap:14px;margin:22px 0 0}
.tile,.card{background:var(--card);border:1px solid var(--line);border-radius:10px}
.tile{padding:14px 16px 12px}
.tile .what{font-size:12.5px;color:var(--soft);margin:0}
.tile .value{font-size:25px;font-weight:660;letter-spacing:-.01em;line-height:1.25;margin:3px 0 1px;
font-variant-numeric:tabular-nums}
.tile .value small{font-size:14px;font-weight:500;color:var(--soft)}
.tile .from{font-size:12.5px;color:var(--faint);margin:0}
.card{padding:16px 18px}
.pair{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1fr);gap:16px;align-items:stretch}
.grid2{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:16px}
@media (max-width:820px){.pair,.grid2{grid-template-columns:minmax(0,1fr)}main{padding:24px 16px 48px}}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;width:100%}
th{font-weight:600;text-align:left}
.results th,.results td{padding:9px 10px;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
.results th:first-child{text-align:left;padding-left:2px;white-space:normal}
.results thead th{color:var(--soft);font-size:12.5px;border-bottom:1.5px solid var(--faint)}
.results tbody tr:last-child>*{border-bottom:0}
.results .best{font-weight:680}
.results .pm{color:var(--soft);font-weight:400;font-size:13px}
.key{display:inline-block;width:9px;height:9px;border-radius:50%;background:var(--c);margin-right:9px}
.caption{color:var(--soft);font-size:13px;margin:10px 0 0}
figure{margin:0}
.grid2 figure{display:flex;flex-direction:column}.grid2 svg{margin-top:auto}
figcaption{display:flex;align-items:baseline;gap:2px 10px;margin:0 0 8px;flex-wrap:wrap}
figcaption b{font-weight:640}
figcaption .note{color:var(--faint);font-size:12.5px;flex-basis:100%;margin-top:-5px}
figcaption .last{margin-left:auto;font-variant-numeric:tabular-nums;font-weight:600;font-size:14px}
.legend{display:flex;flex-wrap:wrap;gap:2px 16px;font-size:12.5px;color:var(--soft);margin:0 0 6px;padding:0;list-style:none}
.legend i{display:inline-block;width:14px;height:3px;border-radius:2px;background:var(--c);margin-right:6px;
vertical-align:middle}
.legend i.box{width:11px;height:11px;border-radius:3px}
svg{display:block;width:100%;height:auto;overflow:visible}
svg text{font-size:11px;fill:var(--soft);font-variant-numeric:tabular-nums}
svg .name,svg .none{fill:var(--faint)}svg .panel{font-weight:600;fill:var(--ink);font-size:12px}svg .label{font-size:12px}
.grid{stroke:var(--grid)}.axis{stroke:var(--faint)}
.curve{fill:none;stroke:var(--c);stroke-width:1.9;stroke-linejoin:round;stroke-linecap:round}
.raw{fill:none;stroke:var(--c);stroke-width:1;opacity:.36;stroke-linejoin:round;stroke-linecap:round}
.dot{fill:var(--c);stroke:var(--card);stroke-width:1.2}
.whisker{stroke:var(--c);stroke-width:2.2;stroke-linecap:round;opacity:.65}
.area{fill:var(--c);opacity:.9}
.wide svg .grid{stroke:var(--ink);opacity:.13}
.s0{--c:var(--c0)}.s1{--c:var(--c1)}.s2{--c:var(--c2)}.s3{--c:var(--c3)}
.s4{--c:var(--c4)}.s5{--c:var(--c5)}.s6{--c:var(--c6)}.s7{--c:var(--c7)}
.scroll{overflow-x:auto}
.confusion{width:auto;font-size:12.5px;border-collapse:separate;border-spacing:2px}
.confusion th{font-weight:500;color:var(--soft);white-space:nowrap}
.confusion thead th{vertical-align:bottom;padding:0 0 4px;text-align:center}
.confusion thead th span{writing-mode:vertical-rl;transform:rotate(180deg);max-height:190px}
.confusion tbody th{text-align:right;padding:0 8px 0 0}
.confusion td{min-width:34px;height:27px;text-align:center;border-radius:4px;padding:0 5px;background:var(--code)}
.confusion td.zero{color:transparent}
.confusion td.hit{background:rgb(var(--hit)/var(--a))}.confusion td.miss{background:rgb(var(--miss)/var(--a))}
.confusion td.deep{color:#fff;font-weight:600}
.confusion td.sum{background:none;color:var(--soft);text-align:right;padding-left:10px}
.pick{position:absolute;opacity:0;pointer-events:none}
.picks{display:flex;flex-wrap:wrap;gap:8px;margin:0 0 14px}
.picks label{border:1px solid var(--line);background:var(--card);border-radius:999px;padding:3px 12px;font-size:13px;
cursor:pointer;color:var(--soft)}
.picks label:hover{border-color:var(--faint)}
.picks label .n{opacity:.72;margin-left:5px;font-variant-numeric:tabular-nums}
.sample{margin:0 0 12px;padding:12px 16px 14px;border-left:4px solid var(--c)}
.sample .head{display:flex;flex-wrap:wrap;gap:3px 18px;align-items:baseline;font-size:13px;color:var(--soft);margin:0 0 8px;
font-variant-numeric:tabular-nums}
.sample .head b{color:var(--ink);font-weight:600;overflow-wrap:anywhere}
.chip{color:var(--c);font-weight:650}
.text{font:12.5px/1.55 ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;background:var(--code);
border-radius:7px;padding:9px 12px;margin:0;white-space:pre-wrap;overflow-wrap:anywhere;max-height:19em;overflow:auto;
unicode-bidi:isolate}
.tag{color:var(--accent);font-weight:600}
details{margin:8px 0 0;font-size:13px;color:var(--soft)}
details>summary{cursor:pointer}
details .text{margin-top:6px}
.settings{font-size:13px}
.settings th,.settings td{padding:5px 12px 5px 0;border-bottom:1px solid var(--line);vertical-align:top;text-align:left;
overflow-wrap:anywhere}
.settings tr:last-child>*{border-bottom:0}
.settings th{font-weight:500;color:var(--soft);width:46%}
.card h3{font-size:14px;font-weight:640;margin:0 0 6px}.settings+h3{margin-top:18px}
footer{margin-top:44px;color:var(--faint);font-size:12.5px}
@media print{body{background:#fff}.card,.tile,.sample{break-inside:avoid}.picks{display:none}.text{max-height:none}}
)css";

}  // namespace report
RLVR_NAMESPACE_END
