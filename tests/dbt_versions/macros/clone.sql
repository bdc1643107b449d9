{#- DuckDB clones nothing. Core 1.x then makes views, Core 2 and Fusion fail: so that they clone too. -#}
{% macro duckdb__can_clone_table() %}
  {{- return(dbt_version.startswith('2.')) -}}
{% endmacro %}

{% macro duckdb__create_or_replace_clone(this_relation, defer_relation) %}
  create or replace table {{ this_relation }} as from {{ defer_relation }}
{% endmacro %}
