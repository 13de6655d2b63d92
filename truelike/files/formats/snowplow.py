"""Snowplow's enriched events: TSV without a header, of 131 fields (docs.snowplow.io, "Enriched stream TSV format").

An event whose name speaks of a like is one; what was liked is among the event's own data. Times are UTC and do not say
so.
"""

from __future__ import annotations

from typing import Final

from shared.contract.envelopes.rows import ALIASES
from truelike.files.formats.format import Format

_COLUMNS: Final = """
app_id platform etl_tstamp collector_tstamp dvce_created_tstamp event event_id txn_id name_tracker v_tracker
v_collector v_etl user_id user_ipaddress user_fingerprint domain_userid domain_sessionidx network_userid geo_country
geo_region geo_city geo_zipcode geo_latitude geo_longitude geo_region_name ip_isp ip_organization ip_domain
ip_netspeed page_url page_title page_referrer page_urlscheme page_urlhost page_urlport page_urlpath page_urlquery
page_urlfragment refr_urlscheme refr_urlhost refr_urlport refr_urlpath refr_urlquery refr_urlfragment refr_medium
refr_source refr_term mkt_medium mkt_source mkt_term mkt_content mkt_campaign contexts se_category se_action se_label
se_property se_value unstruct_event tr_orderid tr_affiliation tr_total tr_tax tr_shipping tr_city tr_state tr_country
ti_orderid ti_sku ti_name ti_category ti_price ti_quantity pp_xoffset_min pp_xoffset_max pp_yoffset_min pp_yoffset_max
useragent br_name br_family br_version br_type br_renderengine br_lang br_features_pdf br_features_flash
br_features_java br_features_director br_features_quicktime br_features_realplayer br_features_windowsmedia
br_features_gears br_features_silverlight br_cookies br_colordepth br_viewwidth br_viewheight os_name os_family
os_manufacturer os_timezone dvce_type dvce_ismobile dvce_screenwidth dvce_screenheight doc_charset doc_width
doc_height tr_currency tr_total_base tr_tax_base tr_shipping_base ti_currency ti_price_base base_currency geo_timezone
mkt_clickid mkt_network etl_tags dvce_sent_tstamp refr_domain_userid refr_device_tstamp derived_contexts
domain_sessionid derived_tstamp event_vendor event_name event_format event_version event_fingerprint true_tstamp
""".split()  # noqa: SIM905 (131 names)

_TARGETS: Final = ", ".join(f"data ->> '$.{name}'" for name in ALIASES["target_id"])

FORMAT: Final = Format(
    "snowplow",
    "TSV of Snowplow's enriched events; those named like, favourite, unlike and so on",
    f"""with named as (
    select *, try_cast(unstruct_event as json) -> '$.data.data' as data, lower(event_name) as name from file
)
select event_id, replace(coalesce(derived_tstamp, collector_tstamp), ' ', 'T') || 'Z' as occurred_at,
       coalesce(user_id, domain_userid) as actor_id, coalesce({_TARGETS}) as target_id,
       case when regexp_matches(name, '(^|_)un|remove|delete') then 'unlike' else 'like' end as action
from named where regexp_matches(name, 'like|favou?rite|love|upvote|heart') and name not like '%dislike%'""",
    columns=tuple(_COLUMNS),
    kind="csv",
    delimiter="\t",
)
