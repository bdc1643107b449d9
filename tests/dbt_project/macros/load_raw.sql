{#- Stands in for the loader that fills the source tables; ages of the rows count from the start of the run. -#}
{% macro load_raw() %}
  {%- set now = "timestamp '" ~ run_started_at.strftime('%Y-%m-%d %H:%M:%S') ~ "'" -%}

  create schema if not exists raw;

  create or replace table raw.customers as
  select
    i as id,
    'Customer ' || i as name,
    case when i % 6 > 0 then 'customer' || i || '@example.com' end as email,
    ['FR', 'DE', 'US'][i % 3 + 1] as country,
    i % 5 + 1 as account_id,
    {{ now }} - interval 1 hour as loaded_at
  from range(1, 13) as numbers(i);

  create or replace table raw.orders as
  select
    i as id,
    case when i = 30 then 99 else i % 12 + 1 end as customer_id,
    ['placed', 'shipped', 'completed'][i % 3 + 1] as status,
    {{ now }} - to_days((i % 6)::integer) as ordered_at,
    {{ now }} - interval 1 hour as loaded_at
  from range(1, 31) as numbers(i);

  create or replace table raw.payments as
  select
    i as id,
    i as order_id,
    ['card', 'voucher'][i % 2 + 1] as method,
    100 * i as amount_cents,
    {{ now }} - interval 20 hours as loaded_at
  from range(1, 31) as numbers(i);

  create or replace table raw.accounts as
  select
    i as id,
    'Account ' || i as name,
    ['free', 'team'][i % 2 + 1] as plan_code,
    {{ now }} - to_days(i::integer) as updated_at,
    {{ now }} - interval 5 days as loaded_at
  from range(1, 6) as numbers(i);

  create or replace table raw.tickets as
  select
    i as id,
    i % 12 + 1 as customer_id,
    i % 4 = 0 as is_open,
    {{ now }} - to_hours(i::integer) as opened_at,
    {{ now }} - interval 1 hour as loaded_at
  from range(1, 9) as numbers(i);
{% endmacro %}
