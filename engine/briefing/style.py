"""How the digest looks: on a screen, on a phone, on paper. The house's light colours."""

STYLE = """
@page{size:A4;margin:11mm 12mm}
*{box-sizing:border-box}
body{margin:0;background:#FAFAF8;color:#1C2430;-webkit-print-color-adjust:exact;print-color-adjust:exact;
font:13.5px/1.45 "Source Sans 3","Source Sans Pro","Helvetica Neue",Arial,sans-serif}
main{max-width:880px;margin:0 auto;padding:28px 24px}
header{display:flex;justify-content:space-between;align-items:flex-start;gap:16px;border-bottom:2px solid #1D6A73;
padding-bottom:10px;margin-bottom:14px}
h1{font-size:25px;line-height:1.15;margin:0;font-weight:650;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:12px;margin:0 0 8px;font-weight:650;color:#1D6A73;letter-spacing:.02em;overflow-wrap:anywhere}
p{margin:0 0 8px} .news p{margin:0} .muted{color:#667085}
.over{font-size:11px;font-weight:600;color:#667085;letter-spacing:.06em;margin:0 0 3px}
.when{text-align:right;color:#667085;font-size:12px;flex:none} .when p{margin:0}
.synthetic{display:inline-block;background:#FBF0DA;color:#7A4E07;border-radius:5px;padding:1px 7px;font-weight:600}
.lead{font-size:16.5px;line-height:1.35;margin:0 0 6px}
.tiles{display:grid;grid-template-columns:repeat(4,1fr);gap:10px;margin:12px 0}
.card{background:#FFF;border:1px solid #E4E4DF;border-radius:8px;padding:11px 13px;min-width:0;break-inside:avoid}
.tile b{display:block;font-size:23px;line-height:1.2;font-weight:650;font-variant-numeric:tabular-nums}
.tile p{margin:0;font-size:11.5px} .tile svg{display:block;margin:6px 0 3px} .tile .label{font-size:12px}
.pair{display:grid;gap:10px;margin:10px 0}
.segments{grid-template-columns:1.75fr 1fr} .money,.news{grid-template-columns:1fr 1fr}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:12.5px}
th{font-weight:500;color:#667085;text-align:right;padding:0 0 4px 10px;font-size:11px;vertical-align:bottom}
td{text-align:right;padding:3.5px 0 3.5px 10px;border-top:1px solid #EFEFEB;white-space:nowrap}
th:first-child,td:first-child{text-align:left;padding-left:0}
i.mark{display:inline-block;width:9px;height:9px;border-radius:2px;margin-right:7px}
ul{list-style:none;margin:0;padding:0} .drivers li{margin:0 0 7px} .drivers span{float:right;color:#667085}
.drivers svg{display:block;margin-top:2px} .key{font-size:11px;color:#667085;margin:0}
.severe{background:#FBF0DA;border-color:#D99A2B;margin:0 0 10px} .severe h2{color:#7A4E07}
.severe li{margin:0 0 3px;overflow-wrap:anywhere}
.findings li{margin:0 0 4px;overflow-wrap:anywhere} .findings b{font-weight:600} .source{font-size:11px;color:#667085}
.big{font-size:14.5px;line-height:1.4} footer{font-size:10.5px;line-height:1.4;color:#667085;margin-top:10px}
svg text{font-family:inherit}
@media (max-width:640px){
main{padding:18px 14px} header{display:block} .when{text-align:left;margin-top:8px} .wide{display:none}
.tiles{grid-template-columns:1fr 1fr} .segments,.money,.news{grid-template-columns:minmax(0,1fr)}
h1{font-size:22px} .tile b{font-size:20px}
}
@media print{
body{background:#FFF;font-size:11.5px} main{max-width:none;padding:0} .card{padding:8px 11px} table{font-size:11px}
.tiles,.pair{gap:8px;margin:8px 0} .lead{font-size:15px} .big{font-size:12.5px} .tile b{font-size:20px}
.dense{zoom:.84} .drivers li{margin:0 0 5px} td{padding-top:2.5px;padding-bottom:2.5px}
footer{font-size:9px;margin-top:6px}
}
"""
