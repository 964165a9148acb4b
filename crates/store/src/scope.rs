//! Who has an application.

/// Whether user `u` is assigned to application `a`, directly or through a group.
pub(crate) const IN_SCOPE_OF_ASSIGNMENT: &str =
    "(exists (select 1 from assignments s where s.application_id = a.id
         and s.principal_kind = 'user' and s.principal_id = u.id)
      or exists (select 1 from memberships m
         join groups g on g.id = m.group_id and g.deleted_at is null
         join assignments s on s.application_id = a.id and s.principal_kind = 'group'
           and s.principal_id = m.group_id
         where m.user_id = u.id))";
