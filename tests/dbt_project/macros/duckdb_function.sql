{#- dbt-duckdb makes no functions yet; DuckDB's own word for one is a macro. -#}
{% macro duckdb__scalar_function_sql(target_relation) %}
  create or replace function {{ target_relation.render() }}
    ({{ model.arguments | map(attribute='name') | join(', ') }}) as {{ model.compiled_code }}
{% endmacro %}
